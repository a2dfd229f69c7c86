"""A summary is markdown of somebody else's: it may look like something, and do nothing."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings, strategies as st

from approvals.inbox import markdown


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every start tag with its attributes, as a browser reads them."""
    found: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))
    parser.feed(html)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "[x](//evil.example.com)",
        "[x](/accounts/logout/)",
        "![x](https://evil.example.com/pixel.png)",
        '<style>@import "https://evil.example.com"</style>',
        "<iframe src=https://evil.example.com></iframe>",
        '[x](https://example.com "onmouseover=alert(1)")',
    ],
)
def test_nothing_runs_and_nothing_is_loaded(text: str) -> None:
    for tag, attributes in elements(markdown.render(text)):
        assert tag in ("p", "a")
        assert set(attributes) <= {"href", "rel"}
        assert (attributes.get("href") or "https://").startswith("https://")


def test_links_open_without_a_handle_on_the_page() -> None:
    html = markdown.render("[Ticket](https://tickets.example.com/1) and <http://example.com>")
    assert html.count('rel="noopener noreferrer"') == 2
    assert 'href="https://tickets.example.com/1"' in html


def test_other_schemes_lose_their_address() -> None:
    assert "href" not in markdown.render("[x](ftp://example.com) [y](mailto:a@example.com)")


def test_it_looks_like_markdown() -> None:
    html = markdown.render("# Big\n\n- **one**\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n\n`code`")
    for tag in ("<h4>", "<li>", "<strong>", "<table>", "<s>", "<code>"):
        assert tag in html
    assert "<h1" not in html
    assert "<h5>deep" in markdown.render("## high\n\n#### deep")


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_is_harmless(text: str) -> None:
    for tag, attributes in elements(markdown.render(text)):
        assert tag not in ("script", "img", "iframe", "style", "form", "input", "svg")
        assert set(attributes) <= {"href", "rel", "start"}
