"""Who gets in, by which door, and how often one may try."""

import pytest
from django.core.cache import cache
from django.test import Client

PASSWORD = "correct horse battery"
SIGN_IN = "/accounts/login/"


@pytest.fixture(autouse=True)
def _no_earlier_tries(db: None) -> None:
    cache.clear()


@pytest.mark.parametrize("name", ["alice", "Alice@Example.com"])
def test_by_user_name_or_email(client: Client, alice, name):
    answer = client.post(SIGN_IN, {"login": name, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/").status_code == 200


def test_where_one_wanted_to_go_is_where_one_lands(client: Client, alice):
    answer = client.get("/preferences/")
    assert answer["Location"] == f"{SIGN_IN}?next=/preferences/"
    answer = client.post(answer["Location"], {"login": "alice", "password": PASSWORD})
    assert answer["Location"] == "/preferences/"
    elsewhere = Client().post(
        f"{SIGN_IN}?next=https://example.com/", {"login": "alice", "password": PASSWORD}
    )
    assert elsewhere["Location"] == "/"


def test_guessing_is_slowed_down(client: Client, alice):
    codes = [
        client.post(SIGN_IN, {"login": "alice", "password": f"guess {n}"}).status_code
        for n in range(8)
    ]
    assert codes[0] == 200
    answer = client.post(SIGN_IN, {"login": "alice", "password": PASSWORD})
    assert "Too many failed login attempts" in answer.content.decode()
    assert client.get("/").status_code == 302


def test_who_was_put_out_is_out(client: Client, alice):
    client.post(SIGN_IN, {"login": "alice", "password": PASSWORD})
    alice.is_active = False
    alice.save()
    assert client.get("/").status_code == 302
    client.post(SIGN_IN, {"login": "alice", "password": PASSWORD})
    assert client.get("/").status_code == 302


def test_nobody_signs_up(client: Client):
    data = {"username": "new", "email": "new@example.com", "password1": "x" * 20, "password2": "x"}
    client.post("/accounts/signup/", data)
    from approvals.models import User

    assert not User.objects.filter(username="new").exists()


def test_single_sign_on_is_switched_on_by_a_setting(client: Client, settings):
    provider = {
        "provider_id": "company",
        "name": "Company ID",
        "client_id": "countersign",
        "secret": "s",
        "settings": {"server_url": "http://127.0.0.1:9/"},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [provider]}}
    page = client.get(SIGN_IN).content.decode()
    assert "Company ID" in page
    assert "/accounts/oidc/company/login/" in page


def test_a_second_factor_can_be_switched_on_by_anybody_for_themselves(signed_in, alice):
    client = signed_in(alice)
    assert client.get("/accounts/2fa/totp/activate/")["Location"].startswith(
        "/accounts/reauthenticate/"
    )
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    assert page.status_code == 200
    assert "data:image/svg+xml" in page.content.decode()


def test_many_who_try_make_nobody_elses_tries_forgotten(db):
    cache.set("a", "tried four times", 60)
    for number in range(310):
        cache.set(f"b{number}", "tried once", 60)
    assert cache.get("a") == "tried four times"
