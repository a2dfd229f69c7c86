"""The door, a summary as HTML: markdown in, a short list of harmless tags out. Pure."""

from collections.abc import Sequence

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

_TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a"),
    *("ul", "ol", "li", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
# No HTML, no pictures: what somebody else's message shows here must not load or do anything.
_parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_parser.disable("image")


def render(text: str) -> SafeString:
    """Links are http(s) only and open without a handle on this page; headings start at h4."""
    tokens = _parser.parse(text)
    _lower_headings(tokens)
    html = _parser.renderer.render(tokens, _parser.options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes={"*": set(), "a": {"href"}, "ol": {"start"}},
        attribute_filter=_keep,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer",
        strip_comments=True,
    )
    return mark_safe(clean)  # noqa: S308 - that is what nh3 is for


def _keep(tag: str, attribute: str, value: str) -> str | None:
    """Addresses are whole, since a relative one would lead to a page of ours."""
    if attribute == "href":
        return value if value.lower().startswith(("https://", "http://")) else None
    return value if attribute in ("start", "rel") else None


def _lower_headings(tokens: Sequence[Token]) -> None:
    """The page's own headings go down to h3; whatever levels a summary uses follow from there."""
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    levels = sorted({token.tag for token in headings})
    for token in headings:
        token.tag = f"h{min(6, levels.index(token.tag) + 4)}"
