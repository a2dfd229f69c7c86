"""Every page carries the strict policy, and nothing in it would need a looser one."""

from html.parser import HTMLParser
from typing import Any

import pytest

from approvals.intake.accept import accept
from tests.factories import task_for
from tests.routes import address, parameters, routes

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


class Inline(HTMLParser):
    """Collects what the policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        data = named.get("type") in ("application/json", "application/ld+json")
        if tag == "style" or (tag == "script" and not named.get("src") and not data):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith(("on", "hx-on")):
                self.found.append(f"{tag} {name}={value}")
            if value and value.strip().lower().startswith(("javascript:", "js:")):
                self.found.append(f"{tag} {name}={value}")
            loads = name in ("src", "href") and tag in ("script", "link", "img")
            if loads and value and value.startswith(("http:", "https:", "//")):
                self.found.append(f"{tag} from elsewhere: {value}")


@pytest.mark.django_db
@pytest.mark.parametrize("route", routes())
def test_pages_are_strict(route, gate, source, alice, ada, signed_in, client):
    accept(source, ["not json"])
    task_for(gate, summary="**bold** <b onclick=x style=y>html</b> <script>1</script>")
    ada.is_superuser = True
    ada.save()
    objects: dict[str, Any] = parameters() | {"id": alice.pk, "object_id": gate.pk}
    for one in (client, signed_in(alice), signed_in(ada)):
        one.raise_request_exception = False
        answer = one.get(address(route, objects), {"verdict": "reject"})
        assert answer.status_code < 500
        policy = answer["Content-Security-Policy"]
        assert {part.strip() for part in policy.split(";") if part.strip()} == POLICY
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        referrer = "no-referrer" if route.startswith("l/") else "same-origin"
        assert answer["Referrer-Policy"] == referrer
        if answer["Content-Type"].startswith("text/html"):
            parser = Inline()
            parser.feed(answer.content.decode())
            assert parser.found == []
