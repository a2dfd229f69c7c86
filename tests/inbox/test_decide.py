"""Two buttons: only a POST decides, a reason is asked for, and the second is told kindly."""

from collections.abc import Callable

import pytest
from django.test import Client

from approvals.decisions.decide import decide
from approvals.models import ApprovalTask, AuditEvent, Decision, Gate, User
from approvals.states import Verdict
from tests.conftest import TEAM, person
from tests.factories import GateFactory, task_for, tasks_for

HTMX = {"HX-Request": "true"}
SignIn = Callable[..., Client]


def url(task: ApprovalTask, query: str = "") -> str:
    return f"/tasks/{task.pk}/decide/{query}"


def test_looking_at_the_buttons_decides_nothing(gate: Gate, web: Client) -> None:
    task = task_for(gate)
    before = AuditEvent.objects.count()
    for _ in range(3):
        for verdict in ("approve", "reject"):
            assert web.get(url(task, f"?verdict={verdict}")).status_code == 200
            assert web.head(url(task, f"?verdict={verdict}")).status_code == 200
    assert web.put(url(task)).status_code == 405
    assert not Decision.objects.exists()
    assert AuditEvent.objects.count() == before


def test_a_post_decides_and_leads_to_the_next_task_of_the_same_view(
    gate: Gate, web: Client
) -> None:
    first, second, third = sorted(tasks_for(gate, 3), key=lambda task: task.pk)
    for task, expected in ((second, third), (third, first)):
        response = web.post(url(task, f"?gate={gate.pk}"), {"verdict": "approve"})
        assert response.headers["Location"] == f"/tasks/{expected.pk}/?gate={gate.pk}"
    response = web.post(url(first), {"verdict": "approve", "comment": "fine"}, follow=True)
    assert b"Nothing waits for you" in response.content
    assert b"Approved." in response.content
    assert Decision.objects.get(task=first).comment == "fine"


def test_a_rejection_needs_its_reason(gate: Gate, web: Client) -> None:
    task = task_for(gate)
    for headers in ({}, HTMX):
        refused = web.post(url(task), {"verdict": "reject", "comment": " \n"}, headers=headers)
        assert refused.status_code == 422
        assert b"Please say why you reject this." in refused.content
        assert b'aria-invalid="true"' in refused.content
    assert not Decision.objects.exists()
    web.post(url(task), {"verdict": "reject", "comment": "The invoice is wrong."})
    task.refresh_from_db()
    assert task.status == "rejected"


def test_where_the_gate_asks_for_no_reason_none_is_needed(web: Client) -> None:
    task = task_for(GateFactory(groups=[TEAM], reason="never"))
    web.post(url(task), {"verdict": "reject"})
    task.refresh_from_db()
    assert task.status == "rejected"


@pytest.mark.parametrize("comment", ["a\0b", "x" * 4_001])
def test_a_comment_that_cant_be_kept_is_refused(gate: Gate, web: Client, comment: str) -> None:
    task = task_for(gate)
    response = web.post(url(task), {"verdict": "approve", "comment": comment})
    assert response.status_code == 422
    assert not Decision.objects.exists()


@pytest.mark.parametrize("verdict", ["", "maybe", "approved", "\0"])
def test_any_other_verdict_is_a_bad_request(gate: Gate, web: Client, verdict: str) -> None:
    task = task_for(gate)
    assert web.get(url(task), {"verdict": verdict}).status_code == 400
    assert web.post(url(task), {"verdict": verdict}).status_code == 400


def test_the_second_reviewer_reads_who_was_first(gate: Gate, web: Client, bob: User) -> None:
    task = task_for(gate)
    decide(task.pk, person(bob), Verdict.APPROVE, via=Decision.Via.INBOX)
    for headers in ({}, HTMX):
        response = web.post(url(task), {"verdict": "reject", "comment": "no"}, headers=headers)
        assert response.status_code == 409
        assert b"Bob has already approved this." in response.content
    assert (b"<html" in response.content, response["HX-Retarget"]) == (False, "#detail")
    assert Decision.objects.count() == 1


def test_sending_it_twice_changes_nothing(web: Client) -> None:
    task = task_for(GateFactory(groups=[TEAM], quorum=2))
    assert web.post(url(task), {"verdict": "approve"}).status_code == 302
    again = web.post(url(task), {"verdict": "approve"})
    assert again.status_code == 409
    assert b"You have approved this already." in again.content
    assert Decision.objects.count() == 1


def test_with_htmx_the_next_task_comes_in_the_same_answer(gate: Gate, web: Client) -> None:
    first, second = sorted(tasks_for(gate, 2), key=lambda task: task.pk)
    form = web.get(url(first, "?verdict=approve"), headers=HTMX)
    assert b"<html" not in form.content
    answer = web.post(url(first), {"verdict": "approve"}, headers=HTMX)
    assert answer["HX-Push-Url"] == f"/tasks/{second.pk}/"
    assert answer["HX-Retarget"] == "#detail"
    assert "countersign:decided" in answer["HX-Trigger-After-Settle"]
    assert second.title.encode() in answer.content
    last = web.post(url(second), {"verdict": "approve"}, headers=HTMX)
    assert last["HX-Push-Url"] == "/"
    assert b"Nothing else waits" in last.content


def test_a_form_without_its_csrf_token_is_refused(
    gate: Gate, alice: User, signed_in: SignIn
) -> None:
    strict = signed_in(alice, enforce_csrf_checks=True)
    response = strict.post(url(task_for(gate)), {"verdict": "approve"})
    assert response.status_code == 403
    assert b"Please send that again" in response.content
    assert not Decision.objects.exists()
