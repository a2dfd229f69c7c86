"""What a gate does when nobody has decided in time, and what the workflow hears of it."""

import json
import re

import pytest
from django.db.models.functions import Now

from approvals.callbacks.deliver import deliver
from approvals.decisions.decide import decide
from approvals.decisions.overdue import act
from approvals.decisions.retally import retally_later
from approvals.decisions.rules import settled_words
from approvals.errors import AlreadySettled
from approvals.models import AuditEvent, Callback, Decision, Gate, Timer
from approvals.models.gate import SILENCE_APPROVES
from approvals.states import CallbackStatus, TaskStatus, Verdict
from approvals.timers import fire
from tests.callbacks.conftest import fake, source, waiting  # noqa: F401 - fixtures
from tests.concurrency import at_once
from tests.conftest import TEAM, person
from tests.factories import GateFactory, task_for

INBOX = Decision.Via.INBOX
At = Gate.AtDeadline


def overdue_at(at_deadline: At, **fields: object) -> Gate:
    return GateFactory(groups=[TEAM], decide_within_minutes=120, at_deadline=at_deadline, **fields)


def time_runs_out(task) -> None:
    Timer.objects.filter(task=task, kind=Timer.Kind.OVERDUE).update(at=Now())
    fire.due()
    task.refresh_from_db()


def test_a_gate_can_reject_what_nobody_has_decided(db):
    task = task_for(overdue_at(At.REJECT, reject_error="NotApproved"))

    time_runs_out(task)

    assert task.status == TaskStatus.REJECTED
    assert task.settled_reason == "Nobody decided within 2 h, so the gate rejected it."
    callback = task.callback
    assert (callback.kind, callback.error) == (Callback.Kind.FAILURE, "NotApproved")
    assert callback.cause.startswith("Nobody decided in time. (rejected, decision ")
    actions = list(AuditEvent.objects.filter(task=task).values_list("action", flat=True))
    assert actions == ["received", "overdue", "settled"]
    assert not task.timers.filter(kind=Timer.Kind.OVERDUE).exists()


def test_it_rejects_as_its_reviewers_would(db):
    task = task_for(overdue_at(At.REJECT, on_reject=Gate.OnReject.SUCCESS))
    time_runs_out(task)
    output = json.loads(task.callback.output)
    assert output["approved"] is False
    assert output["comment"] == "Nobody decided in time."
    assert output["decidedBy"] == []


def test_a_gate_can_fail_the_step_with_an_error_of_its_own(db):
    task = task_for(overdue_at(At.FAIL))
    time_runs_out(task)
    assert task.status == TaskStatus.EXPIRED
    assert task.settled_reason == "Nobody decided within 2 h, so the gate failed the step."
    assert task.callback.error == "NobodyDecided"
    assert settled_words(task) == task.settled_reason


def test_silence_approves_only_where_the_gate_says_so_in_so_many_words(db):
    silent = task_for(overdue_at(At.APPROVE))
    time_runs_out(silent)
    assert silent.is_pending
    assert AuditEvent.objects.filter(task=silent, action="overdue").count() == 1

    task = task_for(overdue_at(At.APPROVE, silence=SILENCE_APPROVES))
    time_runs_out(task)
    assert task.status == TaskStatus.APPROVED
    assert task.settled_reason == "Nobody decided within 2 h, so the gate approved it."
    output = json.loads(task.callback.output)
    assert (output["approved"], output["decidedBy"]) == (True, [])
    assert output["comment"].startswith("Nobody looked at this in time")


def test_approvals_that_were_too_few_are_named(alice):
    task = task_for(overdue_at(At.APPROVE, silence=SILENCE_APPROVES, quorum=2))
    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)
    time_runs_out(task)
    assert task.settled_reason.startswith("Too few decided within 2 h")
    output = json.loads(task.callback.output)
    assert output["comment"].startswith("Only 1 of 2 approvals came in time")
    assert [one["reviewer"] for one in output["decidedBy"]] == ["alice"]


def test_where_the_gate_does_nothing_people_may_still_decide(alice):
    task = task_for(overdue_at(At.NOTHING))
    time_runs_out(task)
    assert task.is_pending
    [event] = AuditEvent.objects.filter(task=task, action="overdue")
    assert event.data["reason"] == "Nobody decided within 2 h. It goes on waiting."
    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)


def test_the_engines_own_deadline_is_named_where_it_comes_first(db):
    task = task_for(overdue_at(At.REJECT), timeoutSeconds=600)
    time_runs_out(task)
    assert task.settled_reason.startswith("Nobody decided before the workflow's own deadline")


def test_what_is_not_due_or_not_open_any_more_is_left_alone(alice):
    task = task_for(overdue_at(At.REJECT))
    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)
    assert act(task.pk) is False
    assert Callback.objects.get(task=task).kind == Callback.Kind.SUCCESS


@pytest.mark.django_db(transaction=True)
def test_of_the_gate_and_a_reviewer_at_the_same_moment_one_wins(alice):
    gate = overdue_at(At.FAIL)
    for _ in range(5):
        task = task_for(gate)
        Timer.objects.filter(task=task).update(at=Now())
        decided, _, _ = at_once(
            lambda pk=task.pk: decide(pk, person(alice), Verdict.APPROVE, via=INBOX),
            fire.due,
            fire.due,
        )
        fire.due()
        task.refresh_from_db()
        assert Callback.objects.filter(task=task).count() == 1
        lost = isinstance(decided, AlreadySettled)
        assert task.status == (TaskStatus.EXPIRED if lost else TaskStatus.APPROVED)
        if lost:
            assert str(decided) == task.settled_reason


@pytest.mark.django_db(transaction=True)
def test_the_engine_hears_it_and_one_that_timed_out_meanwhile_changes_nothing(waiting):
    told = waiting(overdue_at(At.FAIL))
    time_runs_out(told.task)
    assert deliver(told.task.callback.pk) == CallbackStatus.DELIVERED
    assert (told.step.status, told.step.error) == ("failed", "NobodyDecided")

    late = waiting(overdue_at(At.FAIL))
    late.fake.stop_execution(late.task.execution_id)
    time_runs_out(late.task)
    assert deliver(late.task.callback.pk) == CallbackStatus.DEAD
    late.task.refresh_from_db()
    assert late.task.status == TaskStatus.EXPIRED


def test_its_page_says_what_happens_and_then_what_happened(alice, signed_in):
    gate = overdue_at(At.APPROVE, silence=SILENCE_APPROVES)
    task, clipped = task_for(gate), task_for(gate, timeoutSeconds=600)
    browser = signed_in(alice)

    page = browser.get(f"/tasks/{task.pk}/").text
    assert "Then the gate approves it, although nobody has looked." in page
    assert "Sooner than the gate" not in page
    assert "Sooner than the gate&#x27;s 2 h" in browser.get(f"/tasks/{clipped.pk}/").text

    time_runs_out(task)
    page = browser.get(f"/tasks/{task.pk}/").text
    assert "Nobody decided within 2 h, so the gate approved it" in page
    assert "Not decided in time" in page
    done = browser.get("/?tab=done").text
    assert re.search(rf'row-{task.pk}".*?Approved', done)


# --- a gate whose rule is changed ---


def test_what_has_enough_once_the_gate_requires_less_is_settled(alice, bob):
    gate = GateFactory(groups=[TEAM], quorum=2)
    enough, open_one = task_for(gate), task_for(gate)
    decide(enough.pk, person(alice), Verdict.APPROVE, via=INBOX)
    gate.quorum = 1
    gate.save()

    retally_later(gate)
    retally_later(gate)  # saved again meanwhile
    assert fire.due() == 2

    enough.refresh_from_db()
    open_one.refresh_from_db()
    assert enough.status == TaskStatus.APPROVED
    assert (open_one.status, open_one.required) == (TaskStatus.PENDING, 1)
    settled = AuditEvent.objects.get(task=enough, action="settled")
    assert settled.data["reason"].startswith("Its gate was changed")
    assert not Timer.objects.exists()


def test_a_gate_that_requires_more_lets_wait_what_is_not_settled(alice):
    gate = GateFactory(groups=[TEAM])
    task = task_for(gate)
    gate.quorum = 3
    gate.save()
    retally_later(gate)
    fire.due()
    task.refresh_from_db()
    assert (task.status, task.required) == (TaskStatus.PENDING, 3)
