"""A state that is tried again asks anew: its older task goes, and what was approved may count."""

import itertools
import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.callbacks.deliver import deliver
from approvals.decisions.decide import decide
from approvals.decisions.expire import retire
from approvals.decisions.overdue import act
from approvals.decisions.rules import can_decide
from approvals.engines.registry import engine_for, kind_of
from approvals.intake.accept import accept
from approvals.models import (
    ApprovalTask,
    AuditEvent,
    Callback,
    Decision,
    Gate,
    Heartbeat,
    Source,
    Stage,
)
from approvals.people.eligibility import Person
from approvals.states import CallbackStatus, TaskStatus, Verdict
from tests.concurrency import at_once
from tests.conftest import TEAM, person
from tests.factories import GateFactory, SourceFactory, UserFactory, message

INBOX = Decision.Via.INBOX
PENDING, APPROVED, SUPERSEDED = TaskStatus.PENDING, TaskStatus.APPROVED, TaskStatus.SUPERSEDED
CANCELLED = TaskStatus.CANCELLED
_numbers = itertools.count(1)


def a_try(
    number: int,
    run: str = "run",
    state: str = "Approve",
    entered: str = "",
    **fields: Any,
) -> str:
    """The message of one try of a state; the same words each time unless others are given."""
    context = {
        "Execution": {"Id": f"arn:aws:states:us-east-1:123456789012:execution:refunds:{run}"},
        "State": {"Name": state, "RetryCount": number, "EnteredTime": entered},
    }
    same = {"gate": "refunds", "title": "Refund", "input": {"order": 7}, "context": context}
    return message(**(same | fields))


def take(source: Source, *bodies: str) -> list[ApprovalTask]:
    return [
        ApprovalTask.objects.select_related("gate").get(pk=one.task_id)
        for one in accept(source, bodies)
    ]


def status(*tasks: ApprovalTask) -> list[str]:
    now = dict(ApprovalTask.objects.values_list("pk", "status"))
    return [now[task.pk] for task in tasks]


def approve(task: ApprovalTask, user: Any, comment: str = "") -> None:
    decide(task.pk, person(user), Verdict.APPROVE, comment=comment, via=INBOX)


@pytest.fixture
def carrying(db: None) -> Gate:
    return GateFactory(slug="refunds", groups=[TEAM], carries_over=True, quorum=2)


# --- whose place is taken ------------------------------------------------------------------------


def test_a_retry_takes_the_place_of_the_older_task(source, gate):
    [old] = take(source, a_try(0))
    [new] = take(source, a_try(1))

    assert status(old, new) == [SUPERSEDED, PENDING]
    old.refresh_from_db()
    assert "newer task" in old.settled_reason
    assert [beat.task for beat in Heartbeat.objects.all()] == [new]
    assert AuditEvent.objects.get(task=old, action="superseded").data == {"newer": str(new.pk)}
    assert AuditEvent.objects.get(task=new, action="replaced").data == {"older": str(old.pk)}


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
def test_a_batch_that_holds_all_tries_leaves_the_last(source, gate, order):
    tasks = take(source, *(a_try(number) for number in order))
    assert status(*tasks) == [PENDING if number == 2 else SUPERSEDED for number in order]
    assert AuditEvent.objects.filter(action="superseded").count() == 2


@pytest.mark.parametrize(
    "other",
    [
        {"run": "another-run"},
        {"state": "Sign"},
        {"number": 1},
        {"number": 2},
    ],
)
def test_what_is_no_earlier_try_of_the_same_state_stays(source, gate, other):
    [old] = take(source, a_try(**({"number": 0} | other)))
    take(source, a_try(1))
    assert status(old) == [PENDING]


def test_another_connection_is_another_engine(source, gate):
    [old] = take(source, a_try(0))
    [new] = take(SourceFactory(), a_try(1))
    assert status(old, new) == [PENDING, PENDING]


def test_a_source_can_not_take_the_place_of_anothers_tasks(source, gate):
    [old] = take(source, a_try(0))
    take(SourceFactory(connection=source.connection), a_try(1))
    assert status(old) == ["pending"]


def test_of_the_iterations_of_a_map_the_one_with_the_same_payload_goes(source, gate):
    one, two, three = take(source, *(a_try(0, input={"order": n}) for n in (1, 2, 3)))
    [retry] = take(source, a_try(1, input={"order": 2}))
    assert status(one, two, three, retry) == [PENDING, SUPERSEDED, PENDING, PENDING]


def test_nobody_is_superseded_by_guess_where_several_iterations_look_alike(source, gate, alice):
    one, two = take(source, a_try(0), a_try(0))
    take(source, a_try(1))
    assert status(one, two) == [PENDING, PENDING]
    # Nor when only one is left: it may be the other one that is tried again.
    approve(one, alice)
    take(source, a_try(1))
    assert status(one, two) == [APPROVED, PENDING]


def test_the_time_of_entry_tells_iterations_that_look_alike_apart(source, gate):
    times = ["2026-01-01T00:00:00.100Z", "2026-01-01T00:00:00.200Z"]
    one, two = take(source, *(a_try(0, entered=time) for time in times))
    [retry] = take(source, a_try(1, entered=times[1]))
    assert status(one, two, retry) == [PENDING, SUPERSEDED, PENDING]


def test_another_payload_takes_the_place_of_the_only_one_that_waits(source, gate):
    [old] = take(source, a_try(0))
    [new] = take(source, a_try(1, input={"order": 8}))
    assert status(old, new) == [SUPERSEDED, PENDING]


def test_a_retry_whose_first_try_never_came_takes_no_other_iterations_place(source, gate):
    times = ["2026-01-01T00:00:00.100Z", "2026-01-01T00:00:00.200Z"]
    [other] = take(source, a_try(0, entered=times[0], input={"order": 1}))
    [retry] = take(source, a_try(1, entered=times[1], input={"order": 2}))
    assert status(other, retry) == [PENDING, PENDING]


def test_another_payload_takes_nobodys_place_where_several_ran(source, gate, alice):
    one, two = take(source, *(a_try(0, input={"order": n}) for n in (1, 2)))
    approve(two, alice)
    take(source, a_try(1, input={"order": 3}))
    assert status(one) == [PENDING]


def test_a_retry_of_what_is_settled_changes_nothing_of_it(source, gate, alice):
    [old] = take(source, a_try(0))
    approve(old, alice)
    [new] = take(source, a_try(1))
    assert status(old, new) == [APPROVED, PENDING]
    assert not AuditEvent.objects.filter(action="superseded").exists()


def test_the_same_retry_delivered_again_changes_nothing(source, gate):
    body = a_try(1)
    take(source, a_try(0))
    take(source, body)
    events = AuditEvent.objects.count()
    take(source, body)
    assert AuditEvent.objects.count() == events


def test_a_payload_that_databases_dislike_can_be_retried(source, gate):
    weird = {"\x00": "\ud800", "x": "💥"}
    [old] = take(source, a_try(0, input=weird))
    take(source, a_try(1, input=weird))
    assert status(old) == [SUPERSEDED]


# --- a key of the sender's own -------------------------------------------------------------------


def test_the_same_dedupe_key_takes_the_place_of_the_older_task(source, gate):
    [old] = take(source, message(gate="refunds", dedupeKey="order-7"))
    [other] = take(source, message(gate="refunds", dedupeKey="order-8"))
    one, two = take(source, *(message(gate="refunds", dedupeKey="order-7") for _ in range(2)))
    assert status(old, other, one, two) == [SUPERSEDED, PENDING, SUPERSEDED, PENDING]


def test_a_dedupe_key_is_its_sources_own(source, gate):
    [old] = take(source, message(gate="refunds", dedupeKey="order-7"))
    take(SourceFactory(), message(gate="refunds", dedupeKey="order-7"))
    assert status(old) == [PENDING]


def test_a_try_that_comes_late_does_not_take_the_place_of_a_later_one(source, gate):
    [later] = take(source, a_try(1, dedupeKey="order-7"))
    take(source, a_try(0, dedupeKey="order-7"))
    assert status(later) == [PENDING]


# --- decisions carried over ----------------------------------------------------------------------


def test_an_approval_counts_again_where_the_gate_says_so(source, carrying, alice, bob):
    [old] = take(source, a_try(0))
    approve(old, alice, "Checked with the bank")
    before = old.decisions.get()

    [new] = take(source, a_try(1))

    assert (new.status, new.approvals) == (PENDING, 1)
    carried = new.decisions.get()
    assert (carried.reviewer, carried.verdict, carried.comment) == (
        alice,
        Verdict.APPROVE,
        "Checked with the bank",
    )
    assert (carried.via, carried.carried_from, carried.decided_at) == (
        Decision.Via.CARRIED_OVER,
        before,
        before.decided_at,
    )
    event = AuditEvent.objects.get(task=new, action="carried_over")
    assert (event.data["reviewer"], event.data["older"]) == ("Alice", str(old.pk))

    approve(new, bob)
    new.refresh_from_db()
    assert new.status == APPROVED
    said = json.loads(new.callback.output)["decidedBy"]
    assert [(one["reviewer"], one["via"]) for one in said] == [
        ("alice", "carried"),
        ("bob", "inbox"),
    ]


@pytest.mark.parametrize(
    "changed",
    [{"input": {"order": 8}}, {"title": "Refund!"}, {"summary": "new"}, {"requestedBy": "dora"}],
)
def test_nothing_counts_again_for_something_else(source, carrying, alice, changed):
    [old] = take(source, a_try(0))
    approve(old, alice)
    [new] = take(source, a_try(1, **changed))
    assert (status(old), new.approvals) == ([SUPERSEDED], 0)


def test_nothing_counts_again_at_another_gate_or_where_the_gate_does_not_say_so(
    source, carrying, alice
):
    GateFactory(slug="other", groups=[TEAM], carries_over=True, quorum=2)
    [one] = take(source, a_try(0))
    approve(one, alice)
    [two] = take(source, a_try(1, gate="other"))
    assert (status(one), two.approvals) == ([SUPERSEDED], 0)

    approve(two, alice)
    Gate.objects.update(carries_over=False)
    [three] = take(source, a_try(2, gate="other"))
    assert (status(two), three.approvals) == ([SUPERSEDED], 0)


def test_who_may_no_longer_decide_does_not_count(source, carrying, alice, bob, charlie):
    carrying.users.add(charlie)
    carrying.quorum = 4
    carrying.save()
    [old] = take(source, a_try(0))
    for user in (alice, bob, charlie):
        approve(old, user)
    alice.groups.clear()
    bob.is_active = False
    bob.save()
    [new] = take(source, a_try(1))
    assert [one.reviewer for one in new.decisions.all()] == [charlie]


def test_enough_approvals_answer_the_new_try_at_once(source, carrying, alice, bob):
    [old] = take(source, a_try(0))
    approve(old, alice)
    carrying.quorum = 1
    carrying.save()

    [new] = take(source, a_try(1))

    assert (new.status, new.approvals) == (APPROVED, 1)
    callback = Callback.objects.get(task=new)
    assert callback.status == CallbackStatus.DUE
    assert callback.decision_id == new.decisions.get().pk
    assert [one.action for one in AuditEvent.objects.filter(task=new)] == [
        "received",
        "replaced",
        "carried_over",
        "settled",
    ]


@pytest.mark.parametrize("fate", [CallbackStatus.DUE, CallbackStatus.DEAD])
def test_an_approval_that_came_too_late_for_the_step_answers_its_retry(
    source, carrying, alice, bob, fate
):
    [old] = take(source, a_try(0))
    approve(old, alice)
    approve(old, bob)
    if fate == CallbackStatus.DEAD:  # the step is over: no engine knows this token
        assert deliver(old.callback.pk) == CallbackStatus.DEAD

    [new] = take(source, a_try(1))

    assert (status(old), new.status, new.approvals) == ([APPROVED], APPROVED, 2)
    assert Callback.objects.get(task=new).kind == Callback.Kind.SUCCESS


def test_an_approval_that_the_engine_has_taken_is_not_used_twice(source, carrying, alice, bob):
    token = engine_for(source.connection.config).create_step("run").reveal()
    [old] = take(source, a_try(0, taskToken=token))
    approve(old, alice)
    approve(old, bob)
    assert deliver(old.callback.pk) == CallbackStatus.DELIVERED
    [new] = take(source, a_try(1))
    assert (new.status, new.approvals) == (PENDING, 0)


def test_a_rejection_is_never_repeated_by_a_machine(source, carrying, alice):
    [old] = take(source, a_try(0))
    decide(old.pk, person(alice), Verdict.REJECT, comment="No", via=INBOX)
    deliver(old.callback.pk)
    [new] = take(source, a_try(1))
    assert (new.status, new.decisions.count()) == (PENDING, 0)


def test_an_approval_outlives_the_timeout_of_its_step(source, carrying, alice):
    [old] = take(source, a_try(0))
    approve(old, alice)
    retire(old.pk)  # a heartbeat has told, before the retry's message came
    [new] = take(source, a_try(1))
    assert (status(old), new.approvals) == ([CANCELLED], 1)


@pytest.mark.parametrize(("heard", "counts"), [(True, 0), (False, 1)])
def test_an_approval_counts_for_the_next_try_unless_the_engine_has_heard_how_its_own_ended(
    source, carrying, alice, heard, counts
):
    carrying.at_deadline, carrying.decide_within_minutes = Gate.AtDeadline.FAIL, 60
    carrying.save()
    token = engine_for(source.connection.config).create_step("run").reveal()
    [old] = take(source, a_try(0, **({"taskToken": token} if heard else {})))
    approve(old, alice)
    assert act(old.pk)
    assert deliver(old.callback.pk) == (CallbackStatus.DELIVERED if heard else CallbackStatus.DEAD)

    [new] = take(source, a_try(1))

    assert (status(old), new.status, new.approvals) == ([TaskStatus.EXPIRED], PENDING, counts)


def test_an_approval_is_carried_on_from_try_to_try(source, carrying, alice):
    [first] = take(source, a_try(0))
    approve(first, alice)
    [second], [third] = take(source, a_try(1)), take(source, a_try(2))
    assert status(first, second, third) == [SUPERSEDED, SUPERSEDED, PENDING]
    assert third.decisions.get().carried_from == second.decisions.get()


def test_the_requester_does_not_count_where_the_gate_excludes_them(source, carrying, dora):
    [old] = take(source, a_try(0, requestedBy="dora"))
    approve(old, dora)
    carrying.exclude_requester = True
    carrying.save()
    [new] = take(source, a_try(1, requestedBy="dora"))
    assert new.approvals == 0


# --- at once -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_tries_that_come_at_once_leave_one(source, gate):
    for number in range(10):
        run = f"run-{number}"
        take(source, a_try(0, run))
        results = at_once(
            lambda run=run: take(source, a_try(1, run)), lambda run=run: take(source, a_try(2, run))
        )
        assert not [one for one in results if isinstance(one, Exception)], results
        left = ApprovalTask.objects.pending().filter(execution_id__endswith=run)
        assert 2 in left.values_list("retry_count", flat=True)
        assert 0 not in left.values_list("retry_count", flat=True)


@pytest.mark.django_db(transaction=True)
def test_the_same_key_twice_at_once_leaves_one(source, gate):
    for number in range(10):
        results = at_once(
            *[lambda n=number: take(source, message(gate="refunds", dedupeKey=f"key-{n}"))] * 3
        )
        assert not [one for one in results if isinstance(one, Exception)], results
    assert ApprovalTask.objects.pending().count() == 10


@pytest.mark.django_db(transaction=True)
def test_batches_of_retries_at_once_in_any_order_end(source, gate):
    runs = [f"run-{number}" for number in range(10)]
    olds = take(source, *(a_try(0, run) for run in runs))
    results = at_once(
        lambda: take(source, *(a_try(1, run) for run in runs)),
        lambda: take(source, *(a_try(2, run) for run in reversed(runs))),
        lambda: take(source, *(a_try(3, run) for run in runs)),
    )
    assert not [one for one in results if isinstance(one, Exception)], results
    assert set(status(*olds)) == {SUPERSEDED}


@pytest.mark.django_db(transaction=True)
def test_a_decision_at_the_moment_of_the_retry_counts_or_is_refused_but_is_never_lost(
    source, carrying, alice
):
    carrying.quorum = 1
    carrying.save()
    for number in range(10):
        [old] = take(source, a_try(0, f"run-{number}"))
        decided, taken = at_once(
            lambda old=old: decide(old.pk, Person(alice), Verdict.APPROVE, comment="", via=INBOX),
            lambda n=number: take(source, a_try(1, f"run-{n}")),
        )
        assert not isinstance(taken, Exception), taken
        [new] = taken
        if isinstance(decided, Exception):
            assert "newer task" in str(decided)
            assert status(old, new) == [SUPERSEDED, PENDING]
        else:
            assert status(old, new) == [APPROVED, APPROVED]


# --- what it costs -------------------------------------------------------------------------------


def test_a_batch_without_retries_costs_nothing_more(source, gate):
    def cost(*bodies: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            accept(source, bodies)
        return len(queries)

    for number in range(20):
        take(source, a_try(0, f"run-{number}"))
    plain = cost(*(a_try(0, f"other-{number}") for number in range(10)))
    retries = [cost(*(a_try(1, f"run-{n}") for n in range(*span))) for span in [(0, 2), (2, 12)]]
    assert retries[0] == retries[1] == plain + 7


def test_the_timeline_says_whose_place_was_taken(source, gate, alice, signed_in):
    [old] = take(source, a_try(0))
    [new] = take(source, a_try(1))
    page = signed_in(alice).get(f"/tasks/{old.pk}/").content.decode()
    assert "a newer task took its place" in page
    assert f"/tasks/{new.pk}/" in page
    page = signed_in(alice).get(f"/tasks/{new.pk}/").content.decode()
    assert "Took the place of an older task" in page


def test_an_approval_counts_for_the_teams_that_its_reviewer_is_in_by_now(db):
    reviewer = UserFactory(groups=["Legal"])
    security = Group.objects.create(name="Security")
    GateFactory(slug="refunds", groups=["Legal", "Security"], needs="each", carries_over=True)
    source = SourceFactory()
    [old] = take(source, a_try(0))
    approve(old, reviewer)
    reviewer.groups.set([security])
    [new] = take(source, a_try(1))
    assert [one.for_groups for one in new.decisions.all()] == [[security.pk]]
    approve(new, UserFactory(groups=["Security"]))
    assert status(new) == [PENDING]  # Legal has not been asked


def test_what_would_be_too_long_by_now_is_decided_anew_from_the_first_stage(db):
    reviewer, other = UserFactory(groups=["Legal"]), UserFactory(groups=["Security"])
    gate = GateFactory(slug="refunds", groups=["Legal"], own_reviewers=True, undo_seconds=99)
    Gate.objects.filter(pk=gate.pk).update(carries_over=True)
    Stage.objects.create(gate=gate, position=1, name="S").groups.set(other.groups.all())
    source, named = SourceFactory(), {"reviewers": {"users": [reviewer.username]}}
    [old] = take(source, a_try(0, **named))
    approve(old, reviewer)
    approve(old, other, "x" * 200)
    limit = kind_of("in_memory").limits.output
    Decision.objects.filter(task=old, stage=1).update(comment="x" * limit)
    [new] = take(source, a_try(1, **named))
    assert (new.status, new.stage, new.approvals, new.decisions.count()) == (PENDING, 0, 0, 0)
    assert can_decide(new, person(reviewer))
