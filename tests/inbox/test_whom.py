"""Whom one means, where there are more people than a select is good for."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.inbox.whom import FEW
from approvals.models import Gate, Place, Question, User
from tests.conftest import TEAM
from tests.factories import GateFactory, UserFactory, task_for

SUGGEST = {"HX-Request": "true", "HX-Target": "whom-found"}


@pytest.fixture
def crowd(bob: User) -> list[User]:
    """More than go into a select; of two called Anna Huber one is called by her user name too."""
    people = User.objects.bulk_create(
        User(username=f"u{n}", first_name=f"First{n}", last_name="Last") for n in range(FEW)
    )
    for name, user in (("anna", "Anna Huber"), ("ah2", "Anna Huber"), ("eve", "Éve “Q” Ö")):
        first, _, last = user.partition(" ")
        people.append(UserFactory(username=name, first_name=first, last_name=last))
    return people


@pytest.fixture
def url(alice: User) -> str:
    task = task_for(GateFactory(groups=[TEAM], hand_over=Gate.HandOver.ANYBODY))
    return f"/tasks/{task.pk}/hand-over/"


def options(html: str) -> list[str]:
    return re.findall(r"<option[^>]*>([^<]+)</option>", html)


def test_a_few_are_a_select_and_many_are_written(
    web: Client, url: str, bob: User, charlie: User
) -> None:
    assert options(web.get(url).content.decode())[1:] == ["Bob (bob)", "Charlie (charlie)"]
    User.objects.bulk_create(User(username=f"u{n}") for n in range(FEW))
    page = web.get(url).content.decode()
    assert options(page) == []
    assert 'list="whom-found"' in page


@pytest.mark.parametrize(
    "text", ["bob", "BOB", "bob@example.com", " Bob ", "Bob (bob)", "(bob)", "Bob \t (bob)"]
)
def test_a_user_name_an_email_or_a_name_says_whom(
    web: Client, url: str, crowd: list[User], bob: User, text: str
) -> None:
    assert web.post(url, {"person": text}).status_code == 302
    assert Place.objects.get().user == bob


def test_a_name_of_several_is_asked_about_and_never_guessed(
    web: Client, url: str, crowd: list[User]
) -> None:
    asked = web.post(url, {"person": "Anna Huber", "text": "Yours?"})
    html = asked.content.decode()
    assert asked.status_code == 422
    assert "Several people are called so." in html
    assert options(html) == ["Choose …", "Anna Huber (ah2)", "Anna Huber (anna)"]
    assert "Yours?" in html
    assert not Place.objects.exists()
    assert web.post(url, {"person": "(ah2)"}).status_code == 302
    assert Place.objects.get().user.username == "ah2"


def test_a_part_of_a_name_is_never_taken_for_somebody(
    web: Client, url: str, crowd: list[User]
) -> None:
    changed = web.post(url, {"person": "Anna Maier (bob)"})
    assert changed.status_code == 422
    assert "Nobody of that name is found." in changed.content.decode()
    html = web.post(url, {"person": "ev ö (eve)"}).content.decode()
    assert "Do you mean one of these?" in html
    assert options(html) == ["Choose …", "Éve “Q” Ö (eve)"]
    assert "Write more of the name" in web.post(url, {"person": "last"}).content.decode()
    for nobody in ("nobody", "\0", "%", "x" * 5_000, "(", "(nobody)", "1", "2" * 30):
        answer = web.post(url, {"person": nobody})
        assert answer.status_code == 422, nobody
    assert "Whom?" in web.post(url, {"person": ""}).content.decode()
    assert not Place.objects.exists()


def test_names_are_suggested_while_one_writes_and_only_to_whoever_may_hand_over(
    web: Client, url: str, crowd: list[User], audrey: User, signed_in
) -> None:
    found = web.get(url, {"person": "hub"}, headers=SUGGEST).content.decode()
    assert options(found) == ["Anna Huber (ah2)", "Anna Huber (anna)"]
    assert len(options(web.get(url, {"person": "last"}, headers=SUGGEST).content.decode())) == 20
    assert options(web.get(url, {"person": "\0"}, headers=SUGGEST).content.decode()) == []
    refused = signed_in(audrey).get(url, {"person": "hub"}, headers=SUGGEST)
    assert refused.status_code == 409
    assert b"Anna" not in refused.content


def test_a_colleague_is_asked_by_name(web: Client, url: str, crowd: list[User]) -> None:
    ask = url.replace("hand-over", "ask")
    assert web.post(ask, {"person": "Éve “Q” Ö", "text": "Well?"}).status_code == 302
    assert Question.objects.get().asked.username == "eve"


def test_a_delegate_is_written_kept_and_taken_away(
    web: Client, alice: User, crowd: list[User]
) -> None:
    page = web.get("/preferences/").content.decode()
    assert "Blank: nobody." in page
    suggested = web.get("/preferences/", {"delegate": "eve"}, headers=SUGGEST).content.decode()
    assert options(suggested) == ["Éve “Q” Ö (eve)"]
    asked = web.post("/preferences/absence/", {"delegate": "anna huber"})
    assert asked.status_code == 422
    assert options(asked.content.decode())[-2:] == ["Anna Huber (ah2)", "Anna Huber (anna)"]
    web.post("/preferences/absence/", {"delegate": "(anna)"})
    alice.refresh_from_db()
    assert str(alice.delegate) == "Anna Huber"
    assert 'value="Anna Huber (anna)"' in web.get("/preferences/").content.decode()
    User.objects.filter(username="anna").update(is_active=False)
    assert 'name="delegate"\n         value=""' in web.get("/preferences/").content.decode()
    web.post("/preferences/absence/", {"delegate": ""})
    alice.refresh_from_db()
    assert alice.delegate is None


def test_more_people_cost_no_more_queries(web: Client, url: str, crowd: list[User]) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            web.get(url)
            web.get(url, {"person": "last"}, headers=SUGGEST)
            web.post(url, {"person": "last"})
            web.get("/preferences/")
        return len(captured)

    queries()
    few = queries()
    User.objects.bulk_create(User(username=f"v{n}", last_name="Last") for n in range(500))
    assert queries() <= few
    assert len(web.get(url).content) < 20_000
