"""A task's page answers "what am I approving?" and is honest about where it stands."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.callbacks import outbox
from approvals.decisions.decide import decide
from approvals.decisions.expire import retire
from approvals.models import ApprovalTask, Callback, Connection, Decision, Gate, User
from approvals.states import AttemptResult, CallbackStatus, Verdict
from tests.conftest import TEAM, person
from tests.factories import GateFactory, task_for

SignIn = Callable[..., Client]


def settled(task: ApprovalTask, by: User, verdict: Verdict = Verdict.APPROVE) -> Callback:
    decide(task.pk, person(by), verdict, comment="because", via=Decision.Via.INBOX)
    return Callback.objects.get(task=task)


def test_it_shows_what_is_asked(gate: Gate, web: Client) -> None:
    task = task_for(
        gate,
        title="Refund 120 EUR",
        summary="The **hub** is cracked.",
        requestedBy="dora",
        input={"amount": 120},
        links=[{"title": "Ticket", "url": "https://tickets.example.com/1"}],
    )
    page = web.get(f"/tasks/{task.pk}/").content.decode()
    for text in (
        "Refund 120 EUR",
        "<strong>hub</strong>",
        "amount",
        'href="https://tickets.example.com/1"',
        "dora",
        "the step fails with Rejected",
    ):
        assert text in page, text


def test_nobody_else_learns_that_it_exists(gate: Gate, charlie: User, signed_in: SignIn) -> None:
    task = task_for(gate)
    stranger = signed_in(charlie)
    for path in ("", "decide/?verdict=approve", "payload.json"):
        assert stranger.get(f"/tasks/{task.pk}/{path}").status_code == 404
        assert stranger.get(f"/tasks/{uuid4()}/{path}").status_code == 404
    assert stranger.post(f"/tasks/{task.pk}/decide/", {"verdict": "approve"}).status_code == 404


def test_an_operator_may_look_but_has_no_buttons(
    gate: Gate, olive: User, signed_in: SignIn
) -> None:
    task = task_for(gate)
    page = signed_in(olive).get(f"/tasks/{task.pk}/")
    assert page.status_code == 200
    assert b"its gate does not name you" in page.content
    assert b"verdict=approve" not in page.content
    assert signed_in(olive).get(f"/tasks/{task.pk}/decide/?verdict=approve").status_code == 409


def test_what_the_buttons_do_follows_the_gate(web: Client) -> None:
    gate = GateFactory(
        quorum=3, groups=[TEAM], approve_label="Release", reject_label="Hold", on_reject="success"
    )
    page = web.get(f"/tasks/{task_for(gate).pk}/").content.decode()
    assert "Release" in page
    assert "2 more approvals are needed after yours" in page
    assert "goes on with approved: false" in page


def test_delivery_is_told_as_it_is(gate: Gate, web: Client, bob: User) -> None:
    task = task_for(gate)
    callback = settled(task, bob)

    def page() -> str:
        return web.get(f"/tasks/{task.pk}/").content.decode()

    assert "Approved — telling In memory" in page()
    lease = outbox.take(callback.pk)
    outbox.finish(
        lease, CallbackStatus.DUE, result=AttemptResult.UNAVAILABLE, detail="It asks to wait."
    )
    assert "can&#x27;t be told for now (It asks to wait); it is tried again" in page()
    assert "Attempt 1: engine unavailable" in page()
    lease = outbox.take(callback.pk)
    outbox.finish(lease, CallbackStatus.UNCONFIRMED, result=AttemptResult.UNKNOWN)
    assert "its answer was lost" in page()
    callback.refresh_from_db()
    outbox.settle_unconfirmed(callback, CallbackStatus.DELIVERED, "found")
    assert "has been told (" in page()


def test_a_refused_answer_is_shown_with_its_reason(gate: Gate, web: Client, bob: User) -> None:
    task = task_for(gate)
    lease = outbox.take(settled(task, bob).pk)
    outbox.finish(
        lease, CallbackStatus.DEAD, result=AttemptResult.REFUSED, detail="It knows no such token."
    )
    page = web.get(f"/tasks/{task.pk}/").content.decode()
    assert "could not be told: It knows no such token." in page


def test_an_address_is_no_engines_name_and_has_no_history(
    gate: Gate, web: Client, bob: User
) -> None:
    task = task_for(gate)
    Connection.objects.update(kind="callback_url", hosts="flows.test")
    callback = settled(task, bob)
    lease = outbox.take(callback.pk)
    outbox.finish(lease, CallbackStatus.UNCONFIRMED, result=AttemptResult.UNKNOWN)
    page = web.get(f"/tasks/{task.pk}/").content.decode()
    assert "The workflow was told, but its answer was lost; it is told again." in page
    callback.refresh_from_db()
    outbox.settle_unconfirmed(callback, CallbackStatus.DELIVERED, "found")
    page = web.get(f"/tasks/{task.pk}/").content.decode()
    assert page.count("The workflow has been told") == 2  # above, and in the timeline


def test_whoever_opens_a_task_that_was_superseded_is_led_to_the_newer_one(
    gate: Gate, web: Client
) -> None:
    older, newer = (task_for(gate, dedupeKey="order 7") for _ in range(2))
    page = web.get(f"/tasks/{older.pk}/").content.decode()
    assert page.count("a newer task took the place of this one") == 1
    assert f'<a href="/tasks/{newer.pk}/">Open the newer task</a>' in page
    assert "There is nothing for you to decide here." in page


def test_a_workflow_that_ended_is_said_to_have(gate: Gate, web: Client) -> None:
    task = task_for(gate)
    retire(task.pk)
    assert b"The workflow ended before this was decided." in web.get(f"/tasks/{task.pk}/").content


def test_the_cost_does_not_depend_on_what_happened(
    web: Client, alice: User, bob: User, dora: User
) -> None:
    def queries(task: ApprovalTask) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert web.get(f"/tasks/{task.pk}/").status_code == 200
        assert not any("token_ciphertext" in one["sql"] for one in captured)
        return len(captured)

    gate = GateFactory(quorum=3, groups=[TEAM])
    task = task_for(gate)
    web.get("/")  # which rooms are open is kept for some seconds
    fresh = queries(task)
    for user in (bob, dora):
        decide(task.pk, person(user), Verdict.APPROVE, via=Decision.Via.INBOX)
    assert queries(task) == fresh
    decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    assert queries(task) <= fresh + 1  # its attempts


def test_a_refresh_says_nothing_while_nothing_has_changed(
    gate: Gate, web: Client, bob: User
) -> None:
    task, htmx = task_for(gate), {"HX-Request": "true"}
    part = web.get(f"/tasks/{task.pk}/", headers=htmx)
    assert b"<html" not in part.content
    version = part.context["detail"].version
    again = f"/tasks/{task.pk}/?v={version}"
    assert web.get(again, headers=htmx).status_code == 204
    settled(task, bob)
    assert web.get(again, headers=htmx).status_code == 200


def test_the_raw_payload_is_json(gate: Gate, web: Client) -> None:
    task = task_for(gate, input={"ü": [1, None]})
    response = web.get(f"/tasks/{task.pk}/payload.json")
    assert response["Content-Type"].startswith("application/json")
    assert response.json() == {"ü": [1, None]}


@pytest.mark.parametrize("path", ["", "payload.json"])
def test_only_reading_is_allowed(gate: Gate, web: Client, path: str) -> None:
    task = task_for(gate)
    assert web.post(f"/tasks/{task.pk}/{path}").status_code == 405
    assert web.head(f"/tasks/{task.pk}/{path}").status_code == 200
    assert web.post("/").status_code == 405
    assert web.get("/tasks/nothing/").status_code == 404


def test_nobody_signed_in_is_sent_to_the_sign_in(gate: Gate, client: Client) -> None:
    task = task_for(gate)
    for path in ("/?tab=team", f"/tasks/{task.pk}/", f"/tasks/{task.pk}/decide/", "/preferences/"):
        assert client.get(path).headers["Location"].startswith("/accounts/login/?next=/")
        part = client.get(path, headers={"HX-Request": "true"})
        assert (part.status_code, part["HX-Refresh"]) == (401, "true")
