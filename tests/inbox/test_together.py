"""Colleagues at one task, by their pages: on it, handed over, asked, away."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.decisions.ask import ask
from approvals.decisions.decide import decide
from approvals.decisions.hand_over import hand_over
from approvals.models import (
    ApprovalTask,
    AuditEvent,
    Decision,
    Gate,
    Occasion,
    Place,
    Question,
    User,
)
from approvals.states import Verdict
from tests.conftest import TEAM, person
from tests.factories import GateFactory, UserFactory, task_for
from tests.inbox.conftest import ids_on

HTMX = {"HX-Request": "true"}
SignIn = Callable[..., Client]


def test_being_on_it_is_seen_taken_over_and_released(
    gate: Gate, web: Client, alice: User, bob: User, signed_in: SignIn
) -> None:
    task, bobs = task_for(gate), signed_in(bob)
    page = web.post(f"/tasks/{task.pk}/claim/", {"from": ""}, follow=True).content.decode()
    assert "You are on it since" in page
    assert ids_on(bobs.get("/").content) == []
    assert "Alice is on it since" in bobs.get("/?tab=team").content.decode()
    page = bobs.get(f"/tasks/{task.pk}/").content.decode()
    assert "Alice is on it since" in page
    assert "Take over" in page
    late = bobs.post(f"/tasks/{task.pk}/claim/", {"from": "999999"})
    assert late.status_code == 409
    assert "Alice was first and is on it now." in late.content.decode()
    page = bobs.post(f"/tasks/{task.pk}/claim/", {"from": str(alice.pk)}, follow=True).content
    assert b"Bob is on it, taken over from Alice" in page
    refused = web.post(f"/tasks/{task.pk}/decide/", {"verdict": "approve"})
    assert refused.status_code == 409
    assert web.post(f"/tasks/{task.pk}/release/").status_code == 409
    part = bobs.post(f"/tasks/{task.pk}/release/", headers=HTMX)
    assert part.headers["HX-Retarget"] == "#detail"
    assert ids_on(web.get("/").content) == [str(task.pk)]


@pytest.mark.parametrize("claimer", ["", "x", "-1", "9" * 30, "\0", "²"])
def test_nonsense_takes_nothing_over(gate: Gate, web: Client, bob: User, claimer: str) -> None:
    task = task_for(gate)
    ApprovalTask.objects.filter(pk=task.pk).update(claimed_by=bob, claimed_at=timezone.now())
    assert web.post(f"/tasks/{task.pk}/claim/", {"from": claimer}).status_code == 409


def test_handing_over_by_the_form_and_taking_it_back(
    gate: Gate, web: Client, bob: User, charlie: User, signed_in: SignIn
) -> None:
    task = task_for(gate)
    url, bobs = f"/tasks/{task.pk}/hand-over/", signed_in(bob)
    form = web.get(url).content.decode()
    assert ">Bob (bob)</option>" in form
    assert "Charlie" not in form
    for data in ({}, {"person": charlie.pk}, {"person": "x"}, {"person": "\0"}, {"person": 10**30}):
        assert web.post(url, data).status_code == 422
    assert web.post(url, {"person": bob.pk, "text": "a\0b"}).status_code == 422
    page = web.post(url, {"person": bob.pk, "text": "Yours?"}, follow=True).content.decode()
    assert "You handed this to Bob." in page
    assert "Alice handed it to Bob" in page
    assert "You decide" not in page
    assert web.get(url).status_code == 409
    seen = bobs.get(f"/tasks/{task.pk}/").content.decode()
    assert "Approve" in seen
    page = web.post(f"/tasks/{task.pk}/take-back/", follow=True).content.decode()
    assert "It is yours again." in page
    assert not Place.objects.filter(is_open=True).exists()


def test_where_nobody_else_reviews_there_is_no_empty_list_to_choose_from(
    web: Client, alice: User
) -> None:
    task = task_for(GateFactory(users=[alice]))
    page = web.get(f"/tasks/{task.pk}/hand-over/")
    assert page.status_code == 409
    assert "Nobody else reviews here" in page.content.decode()


def test_a_gate_that_lets_nobody_hand_over_does_not_offer_it(web: Client, alice: User) -> None:
    task = task_for(GateFactory(users=[alice], hand_over=Gate.HandOver.NOBODY))
    assert "hand-over" not in web.get(f"/tasks/{task.pk}/").content.decode()
    refused = web.get(f"/tasks/{task.pk}/hand-over/")
    assert refused.status_code == 409
    assert b"This gate lets nobody hand over." in refused.content


def test_whoever_is_asked_finds_the_question_answers_once_and_decides_nothing(
    gate: Gate, web: Client, alice: User, charlie: User, signed_in: SignIn
) -> None:
    task, theirs = task_for(gate), signed_in(charlie)
    assert theirs.get(f"/tasks/{task.pk}/").status_code == 404
    assert b"can see this task" in web.get(f"/tasks/{task.pk}/ask/").content
    nasty = "Is <b>this</b> right?"
    asked = {"person": charlie.pk, "text": nasty}
    assert web.post(f"/tasks/{task.pk}/ask/", asked).status_code == 302
    inbox = theirs.get("/").content.decode()
    assert "<strong>Alice</strong> asks you about" in inbox
    page = theirs.get(f"/tasks/{task.pk}/").content.decode()
    assert "Is &lt;b&gt;this&lt;/b&gt; right?" in page
    assert theirs.post(f"/tasks/{task.pk}/decide/", {"verdict": "approve"}).status_code == 409
    assert theirs.post(f"/tasks/{task.pk}/ask/", asked).status_code == 409
    question = Question.objects.get()
    url = f"/tasks/{task.pk}/answer/{question.pk}/"
    assert web.post(url, {"text": "Yes."}).status_code == 404  # it is not theirs
    assert theirs.post(url, {"text": " "}).status_code == 422
    assert theirs.post(url, {"text": "Yes, it is."}).status_code == 302
    assert theirs.post(url, {"text": "No!"}).status_code == 409
    assert b"asks you about" not in theirs.get("/").content
    assert b"Yes, it is." in web.get(f"/tasks/{task.pk}/").content
    told = Occasion.objects.exclude(kind="arrived").order_by("at")
    assert [(one.kind, one.person, one.data["by"]) for one in told] == [
        ("asked", charlie, "Alice"),
        ("answered", alice, "Charlie"),
    ]
    assert list(
        AuditEvent.objects.filter(action__in=["asked", "answered"]).values_list("action", flat=True)
    ) == ["asked", "answered"]


def test_where_nothing_may_leave_the_gate_only_its_reviewers_are_asked(
    web: Client, bob: User, charlie: User
) -> None:
    task = task_for(GateFactory(groups=[TEAM], hand_over=Gate.HandOver.NOBODY))
    url = f"/tasks/{task.pk}/ask/"
    assert web.post(url, {"person": charlie.pk, "text": "?"}).status_code == 422
    assert web.post(url, {"person": bob.pk, "text": "?"}).status_code == 302


def test_a_delegate_reads_for_whom_they_stand_in_and_the_record_says_so(
    web: Client, alice: User, charlie: User, signed_in: SignIn
) -> None:
    task = task_for(GateFactory(users=[alice], hand_over=Gate.HandOver.ANYBODY))
    until = timezone.now() + dt.timedelta(days=3)
    away = {"away_from": "2026-01-01T08:00", "away_until": f"{until:%Y-%m-%dT%H:%M}"}
    saved = web.post("/preferences/absence/", away | {"delegate": charlie.pk}, follow=True)
    assert b"away now" in saved.content
    [said] = AuditEvent.objects.filter(action="away").values_list("data", flat=True)
    assert said["delegate"] == "Charlie"
    theirs = signed_in(charlie)
    assert b"You stand in for Alice until" in theirs.get("/preferences/").content
    assert ids_on(theirs.get("/").content) == [str(task.pk)]
    assert b"You stand in for Alice until" in theirs.get(f"/tasks/{task.pk}/").content
    theirs.post(f"/tasks/{task.pk}/decide/", {"verdict": "approve"})
    page = " ".join(web.get(f"/tasks/{task.pk}/").content.decode().split())
    assert "in place of Alice" in page
    assert "Charlie approved in place of Alice" in page
    web.post("/preferences/absence/", {"back": "1"})
    alice.refresh_from_db()
    assert (alice.away_from, alice.delegate) == (None, None)


def test_an_absence_that_makes_no_sense_is_refused(web: Client, alice: User) -> None:
    gone = UserFactory(is_active=False)
    for wrong, said in (
        ({"away_until": "2030-01-01T08:00"}, "Say from when."),
        ({"away_from": "2030-01-02T08:00", "away_until": "2030-01-01T08:00"}, "not after"),
        ({"away_from": "soon"}, "When is that?"),
        ({"away_from": "\0"}, "When is that?"),
        # The database keeps them, and nobody's page could read them from there.
        ({"away_from": "0001-01-01T00:00"}, "Choose a year from 2000 to 2100."),
        ({"away_from": "2030-01-01T08:00", "away_until": "9999-12-31T23:59"}, "Choose a year"),
        ({"delegate": alice.pk}, "Select a valid choice"),
        ({"delegate": gone.pk}, "Select a valid choice"),
    ):
        refused = web.post("/preferences/absence/", wrong)
        assert refused.status_code == 422, wrong
        assert said in refused.content.decode()
    alice.refresh_from_db()
    assert (alice.away_from, alice.away_until, alice.delegate) == (None, None, None)


def test_a_delegate_who_is_away_then_too_is_pointed_out(
    web: Client, alice: User, charlie: User
) -> None:
    User.objects.filter(pk=charlie.pk).update(away_from=timezone.now())
    away = {"away_from": "2030-01-01T08:00", "delegate": charlie.pk}
    page = web.post("/preferences/absence/", away, follow=True).content
    assert b"Charlie is away then too" in page


def test_an_administrator_can_send_somebody_away_on_the_record(
    alice: User, bob: User, ada: User, signed_in: SignIn
) -> None:
    boss = signed_in(ada)
    url = f"/admin/approvals/user/{alice.pk}/change/"
    page = boss.get(url)
    shown = page.context["adminform"].form.initial
    data = {name: shown[name] for name in ("username", "email", "language", "mails")}
    data |= {"is_active": "on", "away_from_0": "2026-11-01", "away_from_1": "08:00"}
    data |= {"delegate": bob.pk}
    assert boss.post(url, data | {"delegate": alice.pk}).status_code == 200
    answer = boss.post(url, data)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    alice.refresh_from_db()
    assert (alice.delegate, alice.is_away) == (bob, True)
    changes = AuditEvent.objects.get(action="configured").data["changes"]
    assert changes["delegate"] == [None, "Bob"]


def test_a_task_costs_as_many_queries_however_much_was_asked(
    gate: Gate, web: Client, alice: User, bob: User
) -> None:
    task = task_for(gate)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            web.get(f"/tasks/{task.pk}/")
        return len(captured)

    ask(task.pk, person(alice), bob, "One?")
    queries()  # which rooms are open is kept for some seconds
    few = queries()
    for number in range(5):
        ask(task.pk, person(alice), bob, f"Number {number}?")
    assert queries() == few


def test_what_was_settled_is_neither_handed_over_nor_asked_about(
    gate: Gate, web: Client, alice: User, bob: User
) -> None:
    task = task_for(gate)
    question = ask(task.pk, person(bob), alice, "Well?")
    hand_over(task.pk, person(alice), bob)
    decide(task.pk, person(bob), Verdict.APPROVE, via=Decision.Via.INBOX)
    for path, data in (
        ("hand-over", {"person": bob.pk}),
        ("take-back", {}),
        ("claim", {}),
        ("release", {}),
        ("ask", {"person": bob.pk, "text": "?"}),
        (f"answer/{question.pk}", {"text": "Yes."}),
    ):
        answer = web.post(f"/tasks/{task.pk}/{path}/", data)
        assert answer.status_code == 409, path
        assert b'role="alert"' in answer.content
