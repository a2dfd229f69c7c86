"""Sign-in and account pages look like ours and hold nothing that the content policy would stop."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from approvals.models import User

INLINE = re.compile(
    r"<script(?![^>]*(\bsrc=|application/json))|<style| style=| on[a-z]+=|javascript:"
)
PAGES = [
    "account_login",
    "account_signup",
    "account_reset_password",
    "account_inactive",
    "account_logout",
    "account_change_password",
    "account_set_password",
    "account_email",
    "account_reauthenticate",
    "mfa_index",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "socialaccount_connections",
    "socialaccount_login_cancelled",
    "socialaccount_login_error",
    "preferences",
]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_renders_without_anything_inline(
    alice: User, client: Client, signed_in: Callable[..., Client], name: str
) -> None:
    for browser in (client, signed_in(alice)):
        response = browser.get(reverse(name), follow=True)
        assert response.status_code in (200, 401, 404), name
        assert not INLINE.search(response.content.decode()), name
        assert b"Countersign" in response.content


def test_signing_in_leads_where_one_wanted_to_go(client: Client, alice: User) -> None:
    page = client.get("/accounts/login/?next=/preferences/")
    assert b'name="next"' in page.content
    form = {"login": "alice", "password": "correct horse battery", "next": "/preferences/"}
    assert client.post("/accounts/login/", form).headers["Location"] == "/preferences/"


def test_a_wrong_password_is_said_at_the_field_or_above(client: Client, alice: User) -> None:
    page = client.post("/accounts/login/", {"login": "alice", "password": "wrong"})
    assert b'role="alert"' in page.content or b'aria-invalid="true"' in page.content


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "429", "500"])
def test_error_pages_need_nothing(name: str) -> None:
    from django.template.loader import render_to_string

    html = render_to_string(f"{name}.html")
    assert "<h1" in html
    assert not INLINE.search(html)
