"""How a person likes it: time zone, theme, shortcuts; and the mark in the browser's tab."""

import pytest
from django.test import Client

from approvals.models import Gate, User
from tests.factories import task_for


def test_preferences_are_kept_and_shown(web: Client, alice: User, gate: Gate) -> None:
    wanted = {"time_zone": "Asia/Tokyo", "theme": "dark", "language": "de", "mails": "daily"}
    assert b"Saved." in web.post("/preferences/", wanted, follow=True).content
    alice.refresh_from_db()
    assert (alice.time_zone, alice.theme, alice.shortcuts) == ("Asia/Tokyo", "dark", False)
    assert (alice.language, alice.mails) == ("de", "daily")
    task_for(gate)
    page = web.get("/").content
    assert b'data-theme="dark"' in page
    assert b"JST" in page
    assert b"keys.js" not in page


@pytest.mark.parametrize(
    "wanted",
    [
        {"time_zone": "Mars/Olympus", "theme": "dark"},
        {"time_zone": "", "theme": "neon"},
        {"time_zone": "\0", "theme": "dark"},
        {"theme": "dark", "language": "tlh", "mails": "daily"},
        {"theme": "dark", "language": "de", "mails": "often"},
    ],
)
def test_nonsense_is_refused_and_changes_nothing(
    web: Client, alice: User, wanted: dict[str, str]
) -> None:
    assert web.post("/preferences/", wanted).status_code == 422
    alice.refresh_from_db()
    assert (alice.time_zone, alice.theme) == ("", "system")


@pytest.mark.parametrize(
    "query", ["", "?n=3", "?n=99%2B", "?n=0", "?n=100", "?n=<script>", "?n=%00"]
)
def test_the_favicon_takes_any_count(client: Client, query: str) -> None:
    response = client.get(f"/favicon.svg{query}")
    assert response["Content-Type"] == "image/svg+xml"
    assert ("<text" in response.content.decode()) is (query in ("?n=3", "?n=99%2B"))
    assert "script" not in response.content.decode()
    assert client.post("/favicon.svg").status_code == 405
