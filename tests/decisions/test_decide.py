"""What a decision does, all at once or not at all, and who may take it."""

import json

import pytest
from django.db import connection, transaction

from approvals.decisions.decide import decide
from approvals.decisions.retally import retally_later
from approvals.errors import AlreadySettled, CannotDecide
from approvals.models import AuditEvent, Callback, Decision, Gate, Stage, User
from approvals.states import CallbackStatus, TaskStatus, Verdict
from approvals.timers import fire
from tests.concurrency import at_once
from tests.conftest import OTHER_TEAM, TEAM, person
from tests.factories import GateFactory, UserFactory, task_for

INBOX = Decision.Via.INBOX


def test_one_approval_settles_the_task_and_owes_the_engine_an_answer(gate, alice):
    task = task_for(gate)

    decide(task.pk, person(alice), Verdict.APPROVE, comment=" Looks right ", via=INBOX)

    task.refresh_from_db()
    assert task.status == TaskStatus.APPROVED
    assert task.settled_at is not None
    callback = task.callback
    assert (callback.status, callback.kind) == (CallbackStatus.DUE, Callback.Kind.SUCCESS)
    output = json.loads(callback.output)
    assert output["decision"] == "approved"
    assert output["approved"] is True
    assert output["comment"] == "Looks right"
    assert output["decidedBy"][0]["reviewer"] == "alice"
    assert output["taskId"] == str(task.pk)
    assert output["decisionId"] == str(callback.decision_id)


def test_a_rejection_fails_the_step_with_the_gates_error(gate, alice):
    gate.reject_error = "RefundRejected"
    gate.save()
    task = task_for(gate)

    decide(task.pk, person(alice), Verdict.REJECT, comment="Wrong amount", via=INBOX)

    callback = Callback.objects.get(task=task)
    assert (callback.kind, callback.error) == (Callback.Kind.FAILURE, "RefundRejected")
    assert callback.cause.startswith("Wrong amount (rejected by alice")
    assert str(callback.decision_id) in callback.cause


def test_a_gate_can_answer_a_rejection_with_success(gate, alice):
    gate.on_reject, gate.output_key = Gate.OnReject.SUCCESS, "Payload"
    gate.save()
    task = task_for(gate)

    decide(task.pk, person(alice), Verdict.REJECT, comment="No", via=INBOX)

    callback = Callback.objects.get(task=task)
    assert callback.kind == Callback.Kind.SUCCESS
    assert json.loads(callback.output)["Payload"]["approved"] is False


def test_a_long_comment_is_cut_to_what_the_engine_takes_and_keeps_the_decision(gate, alice):
    task = task_for(gate)

    decide(task.pk, person(alice), Verdict.REJECT, comment="ü" * 40_000, via=INBOX)

    cause = Callback.objects.get(task=task).cause
    assert len(cause.encode()) <= 32_768
    assert cause.endswith(f"decision {Callback.objects.get(task=task).decision_id})")


def test_a_rejection_that_fails_the_step_names_what_was_chosen(alice):
    fraud = {"key": 'a "fraud"', "label": "Report fraud", "verdict": "reject"}
    task = task_for(GateFactory(groups=[TEAM], choices=[fraud]))

    decide(task.pk, person(alice), Verdict.REJECT, choice=fraud["key"], comment="Forged", via=INBOX)

    callback = Callback.objects.get(task=task)
    assert callback.cause == (
        rf'Forged (rejected by alice, choice "a \"fraud\"", decision {callback.decision_id})'
    )


def test_an_answer_that_the_engine_would_refuse_is_refused_before_it_is_decided(gate, alice):
    task = task_for(gate)

    with pytest.raises(CannotDecide, match="too long"):
        decide(task.pk, person(alice), Verdict.APPROVE, comment="x" * 300_000, via=INBOX)

    assert not Decision.objects.exists()
    task.refresh_from_db()
    assert task.is_pending


def test_two_approvals_are_needed_where_the_gate_says_so(alice, bob):
    gate = GateFactory(quorum=2, groups=[TEAM])
    task = task_for(gate)

    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)
    task.refresh_from_db()
    assert (task.status, task.approvals) == (TaskStatus.PENDING, 1)
    assert not Callback.objects.exists()
    with pytest.raises(CannotDecide, match="already"):
        decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)

    decide(task.pk, person(bob), Verdict.APPROVE, via=INBOX)
    task.refresh_from_db()
    assert (task.status, task.approvals) == (TaskStatus.APPROVED, 2)
    deciders = json.loads(task.callback.output)["decidedBy"]
    assert [(one["reviewer"], one["verdict"]) for one in deciders] == [
        ("alice", "approve"),
        ("bob", "approve"),
    ]


def test_one_rejection_is_a_veto(alice, bob):
    task = task_for(GateFactory(quorum=2, groups=[TEAM]))
    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)

    decide(task.pk, person(bob), Verdict.REJECT, comment="No", via=INBOX)

    task.refresh_from_db()
    assert task.status == TaskStatus.REJECTED


def test_who_the_gate_does_not_name_cannot_decide(gate, charlie, olive, audrey, ada):
    task = task_for(gate)
    for outsider in (charlie, olive, audrey, ada):
        with pytest.raises(CannotDecide, match="does not name you"):
            decide(task.pk, person(outsider), Verdict.APPROVE, via=INBOX)
    assert not Decision.objects.exists()


def test_a_gate_can_name_reviewers_one_by_one(charlie):
    task = task_for(GateFactory(users=[charlie]))
    decide(task.pk, person(charlie), Verdict.APPROVE, via=INBOX)
    assert Decision.objects.get().reviewer == charlie


@pytest.mark.parametrize("said", ["dora", "Dora@Example.com"])
def test_the_requester_cannot_decide_where_the_gate_excludes_them(said, dora, alice):
    task = task_for(GateFactory(exclude_requester=True, groups=[TEAM]), requestedBy=said)

    with pytest.raises(CannotDecide, match="You requested this"):
        decide(task.pk, person(dora), Verdict.APPROVE, via=INBOX)

    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)


def test_a_requester_whose_account_is_made_later_is_still_excluded(alice):
    task = task_for(GateFactory(exclude_requester=True, groups=[TEAM]), requestedBy="newcomer")
    newcomer = UserFactory(username="Newcomer", groups=[TEAM])
    with pytest.raises(CannotDecide, match="You requested this"):
        decide(task.pk, person(newcomer), Verdict.APPROVE, via=INBOX)


@pytest.mark.parametrize("comment", ["", "  \n "])
def test_a_rejection_needs_a_reason_where_the_gate_says_so(gate, alice, comment):
    task = task_for(gate)
    with pytest.raises(CannotDecide, match="why"):
        decide(task.pk, person(alice), Verdict.REJECT, comment=comment, via=INBOX)

    gate.reason = Gate.Reason.NEVER
    gate.save()
    decide(task.pk, person(alice), Verdict.REJECT, comment=comment, via=INBOX)


def test_the_second_to_decide_reads_who_was_first(gate, alice, bob):
    task = task_for(gate)
    decide(task.pk, person(alice), Verdict.REJECT, comment="No", via=INBOX)
    with pytest.raises(AlreadySettled, match="Alice has already rejected this"):
        decide(task.pk, person(bob), Verdict.APPROVE, via=INBOX)


def test_decision_answer_and_record_commit_together_or_not_at_all(gate, alice, monkeypatch):
    task = task_for(gate)
    events = AuditEvent.objects.count()

    def fail(*args: object) -> None:
        raise RuntimeError("the record can't be written")

    monkeypatch.setattr("approvals.decisions.decide.record", fail)
    with pytest.raises(RuntimeError):
        decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)

    task.refresh_from_db()
    assert task.is_pending
    assert not Decision.objects.exists()
    assert not Callback.objects.exists()
    assert AuditEvent.objects.count() == events


@pytest.mark.django_db(transaction=True)
def test_a_decision_stands_when_the_broker_is_gone(gate, alice, monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr("celery.app.base.Celery.send_task", refuse)
    task = task_for(gate)

    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)

    assert Callback.objects.get(task=task).status == CallbackStatus.DUE


@pytest.mark.django_db(transaction=True)
def test_of_two_reviewers_at_once_one_wins_and_the_other_reads_who(gate, alice, bob):
    for _ in range(10):
        task = task_for(gate)
        results = at_once(
            lambda pk=task.pk: decide(pk, person(alice), Verdict.APPROVE, via=INBOX),
            lambda pk=task.pk: decide(pk, person(bob), Verdict.REJECT, comment="No", via=INBOX),
        )
        lost = [result for result in results if isinstance(result, AlreadySettled)]
        assert len(lost) == 1, results
        task.refresh_from_db()
        winner = task.decisions.get().reviewer
        assert str(lost[0]).startswith(winner.display_name)
        assert Callback.objects.filter(task=task).count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_reviewer_who_clicks_twice_at_once_is_counted_once(alice, bob):
    task = task_for(GateFactory(quorum=2, groups=[TEAM]))
    results = at_once(*[lambda: decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)] * 2)
    assert sum(isinstance(result, CannotDecide) for result in results) == 1
    task.refresh_from_db()
    assert (task.approvals, task.status) == (1, TaskStatus.PENDING)


@pytest.mark.django_db(transaction=True)
def test_the_last_two_of_a_quorum_at_once_make_one_answer(alice, bob):
    for _ in range(5):
        task = task_for(GateFactory(quorum=2, groups=[TEAM]))
        results = at_once(
            *[
                lambda user=user, pk=task.pk: decide(pk, person(user), Verdict.APPROVE, via=INBOX)
                for user in (alice, bob)
            ]
        )
        assert not [result for result in results if isinstance(result, Exception)]
        task.refresh_from_db()
        assert (task.approvals, task.status) == (2, TaskStatus.APPROVED)
        assert len(json.loads(task.callback.output)["decidedBy"]) == 2


def test_the_database_refuses_a_transition_that_is_not_in_the_table(gate, alice):
    from django.db import ProgrammingError

    task = task_for(gate)
    decide(task.pk, person(alice), Verdict.APPROVE, via=INBOX)
    with pytest.raises(ProgrammingError, match="transition"), connection.cursor() as cursor:
        cursor.execute("UPDATE approvals_approvaltask SET status = 'pending', settled_at = NULL")


def test_deciding_takes_a_constant_number_of_queries(
    gate, alice, bob, django_assert_max_num_queries
):
    for _ in range(3):
        task_for(gate)
    task = task_for(gate)
    who = person(alice)
    with django_assert_max_num_queries(16):
        decide(task.pk, who, Verdict.APPROVE, via=INBOX)


def test_the_other_team_sees_nothing_of_it(gate, charlie):
    task = task_for(gate)
    assert OTHER_TEAM in charlie.groups.values_list("name", flat=True)
    assert not person(charlie).can_see(task)


def test_every_state_change_of_a_task_is_on_the_record(gate, alice):
    task = task_for(gate)
    decide(task.pk, person(alice), Verdict.APPROVE, comment="Fine", via=INBOX)
    events = AuditEvent.objects.filter(task=task).values_list("action", "actor_name")
    assert list(events) == [("received", ""), ("approved", "Alice"), ("settled", "")]


def test_nothing_is_lost_while_those_who_are_left_can_still_approve(db):
    """Who decided and has no account any more takes nobody's place among them."""
    first, *others = (UserFactory(groups=["Five"]) for _ in range(5))
    task = task_for(GateFactory(groups=["Five"], needs="majority", veto=False))
    decide(task.pk, person(first), Verdict.APPROVE, via=INBOX)
    User.objects.filter(pk=first.pk).update(is_active=False)
    verdicts = [Verdict.REJECT, Verdict.REJECT, Verdict.APPROVE, Verdict.APPROVE]
    said = [
        decide(task.pk, person(user), verdict, comment="Why", via=INBOX).task.status
        for user, verdict in zip(others, verdicts, strict=True)
    ]
    assert said == ["pending", "pending", "pending", "approved"]


def test_the_answer_is_that_of_who_approved_also_if_somebody_rejected_later(alice, bob):
    gate = GateFactory(groups=[TEAM], quorum=2, veto=False)
    UserFactory(groups=[TEAM])
    task = task_for(gate)
    approval = decide(task.pk, person(alice), Verdict.APPROVE, comment="Fine", via=INBOX).decision
    decide(task.pk, person(bob), Verdict.REJECT, comment="Never", via=INBOX)
    Gate.objects.filter(pk=gate.pk).update(quorum=1)
    with transaction.atomic():
        retally_later(gate)
    fire.due()
    callback = Callback.objects.get(task=task)
    assert (callback.decision_id, json.loads(callback.output)["comment"]) == (approval.pk, "Fine")
    with pytest.raises(AlreadySettled, match="Alice has already approved"):
        decide(task.pk, person(bob), Verdict.REJECT, comment="Never", via=INBOX)


def test_a_task_whose_stage_is_removed_at_that_moment_goes_on_without_it(alice, charlie):
    gate = GateFactory(groups=[TEAM])
    stage = Stage.objects.create(gate=gate, position=1, name="Platform")
    stage.groups.set(charlie.groups.all())
    task = decide(task_for(gate).pk, person(alice), Verdict.APPROVE, via=INBOX).task
    assert task.stage == 1
    stage.delete()
    with transaction.atomic():
        retally_later(gate)
    fire.due()
    task.refresh_from_db()
    assert task.status == TaskStatus.APPROVED
