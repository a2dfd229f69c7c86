"""Somebody is on it: the others leave it to them, or take it over knowingly."""

import datetime as dt

import pytest
from django.db import transaction
from django.utils import timezone

from approvals.decisions.claim import claim, release
from approvals.decisions.decide import decide
from approvals.decisions.retally import retally_later
from approvals.errors import CannotDecide
from approvals.inbox.address import Address, Tab
from approvals.inbox.queries import page
from approvals.models import ApprovalTask, AuditEvent, Decision, Gate, User
from approvals.states import Verdict
from approvals.timers import fire
from tests.concurrency import at_once
from tests.conftest import TEAM, person
from tests.factories import GateFactory, task_for

VIA = Decision.Via.INBOX


def waits_for(user: User) -> bool:
    return bool(page(person(user), Address()))


def test_it_leaves_the_lists_of_the_others_until_it_is_released(
    gate: Gate, alice: User, bob: User
) -> None:
    task = task_for(gate)
    claim(task.pk, person(alice))
    claim(task.pk, person(alice))  # twice is once
    assert (waits_for(alice), waits_for(bob)) == (True, False)
    [row] = page(person(bob), Address(tab=Tab.TEAM))
    assert row.claimer == "Alice"
    with pytest.raises(CannotDecide, match="Alice is on it"):
        decide(task.pk, person(bob), Verdict.APPROVE, via=VIA)
    with pytest.raises(CannotDecide, match="You are not on it"):
        release(task.pk, person(bob))
    release(task.pk, person(alice))
    assert waits_for(bob)
    actions = AuditEvent.objects.exclude(action="received").values_list("action", flat=True)
    assert list(actions) == ["claimed", "released"]


def test_it_is_taken_over_from_whom_the_page_showed_and_nobody_else(
    gate: Gate, alice: User, bob: User, dora: User
) -> None:
    task = task_for(gate)
    claim(task.pk, person(alice))
    claim(task.pk, person(bob), taken_from=alice.pk)
    with pytest.raises(CannotDecide, match="Bob was first and is on it now"):
        claim(task.pk, person(dora), taken_from=alice.pk)
    assert AuditEvent.objects.get(actor=bob).data == {"taken_from": "Alice"}
    decide(task.pk, person(bob), Verdict.APPROVE, via=VIA)
    with pytest.raises(CannotDecide, match="Bob has already approved"):
        claim(task.pk, person(dora), taken_from=bob.pk)


@pytest.mark.parametrize("how", ["away", "gone"])
def test_whoever_is_away_or_gone_keeps_nobody_waiting(
    gate: Gate, alice: User, bob: User, how: str
) -> None:
    task = task_for(gate)
    claim(task.pk, person(alice))
    since = {"away_from": timezone.now() - dt.timedelta(hours=1)}
    User.objects.filter(pk=alice.pk).update(**since if how == "away" else {"is_active": False})
    assert waits_for(bob)
    assert page(person(bob), Address())[0].claimer is None
    claim(task.pk, person(bob))
    decide(task.pk, person(bob), Verdict.APPROVE, via=VIA)


def test_where_several_have_to_approve_nobody_is_on_it_alone(alice: User, bob: User) -> None:
    task = task_for(GateFactory(groups=[TEAM], quorum=2))
    with pytest.raises(CannotDecide, match="Several have to approve"):
        claim(task.pk, person(alice))


def test_of_two_at_once_one_is_on_it(
    transactional_db: None, gate: Gate, alice: User, bob: User
) -> None:
    task = task_for(gate)
    results = at_once(lambda: claim(task.pk, person(alice)), lambda: claim(task.pk, person(bob)))
    [lost] = [one for one in results if isinstance(one, Exception)]
    by = ApprovalTask.objects.get().claimed_by
    assert str(lost) == f"{by} was first and is on it now. You can take it over."


def test_who_is_on_it_keeps_nobody_waiting_once_more_have_to_approve(
    gate: Gate, alice: User, bob: User
) -> None:
    task = task_for(gate)
    claim(task.pk, person(alice))
    Gate.objects.filter(pk=gate.pk).update(quorum=2)
    with transaction.atomic():
        retally_later(gate)
    fire.due()
    assert waits_for(bob)
    decide(task.pk, person(alice), Verdict.APPROVE, via=VIA)
    assert not decide(task.pk, person(bob), Verdict.APPROVE, via=VIA).task.is_pending


def test_nor_once_they_have_decided(db: None, alice: User, bob: User) -> None:
    task = task_for(GateFactory(groups=[TEAM], veto=False))
    claim(task.pk, person(alice))
    decide(task.pk, person(alice), Verdict.REJECT, comment="Not by me", via=VIA)
    assert not decide(task.pk, person(bob), Verdict.APPROVE, via=VIA).task.is_pending
