"""Somebody else decides: a place is handed over, taken back, and stood in for."""

import datetime as dt

import pytest
from django.utils import timezone

from approvals.decisions.decide import decide
from approvals.decisions.hand_over import hand_over, recipients, take_back
from approvals.decisions.rules import can_decide, check_can_decide
from approvals.errors import AlreadySettled, CannotDecide
from approvals.inbox.address import Address
from approvals.inbox.queries import page
from approvals.models import ApprovalTask, AuditEvent, Decision, Gate, Occasion, Place, User
from approvals.states import Verdict
from tests.concurrency import at_once
from tests.conftest import OTHER_TEAM, TEAM, person
from tests.factories import GateFactory, UserFactory, task_for

VIA = Decision.Via.INBOX
DAY = dt.timedelta(days=1)


def waits_for(user: User, task: ApprovalTask) -> bool:
    return str(task.pk) in [row.id for row in page(person(user), Address())]


def again(task: ApprovalTask) -> ApprovalTask:
    return ApprovalTask.objects.select_related("gate", "claimed_by").get(pk=task.pk)


@pytest.fixture
def open_gate(alice: User) -> Gate:
    """Alice alone reviews, and may hand over to anybody."""
    return GateFactory(users=[alice], hand_over=Gate.HandOver.ANYBODY)


def test_a_handed_task_is_decided_in_the_givers_place(
    open_gate: Gate, alice: User, charlie: User
) -> None:
    task = task_for(open_gate)
    hand_over(task.pk, person(alice), charlie, "You know them better.")
    assert (waits_for(alice, task), waits_for(charlie, task)) == (False, True)
    with pytest.raises(CannotDecide, match="You handed this to Charlie"):
        check_can_decide(again(task), person(alice))
    told = Occasion.objects.get(kind=Occasion.Kind.HANDED_OVER)
    assert (told.actor, told.person) == (alice, charlie)
    assert told.data == {"by": "Alice", "note": "You know them better."}
    decide(task.pk, person(charlie), Verdict.APPROVE, via=VIA)
    decision = Decision.objects.get()
    assert (decision.reviewer, decision.on_behalf_of) == (charlie, alice)
    assert again(task).status == "approved"
    assert [event.data["to"] for event in AuditEvent.objects.filter(action="handed_over")] == [
        "Charlie"
    ]


def test_it_goes_on_and_back_and_the_giver_can_take_it(
    open_gate: Gate, alice: User, bob: User, charlie: User
) -> None:
    task = task_for(open_gate)
    hand_over(task.pk, person(alice), charlie)
    hand_over(task.pk, person(charlie), bob)
    assert [can_decide(again(task), person(one)) for one in (alice, bob, charlie)] == [
        False,
        True,
        False,
    ]
    hand_over(task.pk, person(bob), alice)
    assert not Place.objects.filter(is_open=True).exists()
    assert waits_for(alice, task)
    hand_over(task.pk, person(alice), bob)
    take_back(task.pk, person(alice))
    assert (waits_for(alice, task), waits_for(bob, task)) == (True, False)
    with pytest.raises(CannotDecide, match="nothing here for you to take back"):
        take_back(task.pk, person(bob))
    decide(task.pk, person(alice), Verdict.REJECT, comment="no", via=VIA)
    with pytest.raises(AlreadySettled):
        take_back(task.pk, person(alice))


def test_whose_account_is_closed_gives_the_place_back(
    open_gate: Gate, alice: User, charlie: User
) -> None:
    task = task_for(open_gate)
    hand_over(task.pk, person(alice), charlie)
    User.objects.filter(pk=charlie.pk).update(is_active=False)
    assert can_decide(again(task), person(alice))
    assert waits_for(alice, task)


def test_each_gate_says_to_whom(alice: User, bob: User, charlie: User) -> None:
    for hand_to, offered in (("nobody", []), ("reviewers", [bob]), ("anybody", [bob, charlie])):
        gate = GateFactory(groups=[TEAM], hand_over=hand_to)
        task = again(task_for(gate))
        assert [one for one in recipients(task, alice) if one in (alice, bob, charlie)] == offered
        if charlie not in offered:
            with pytest.raises(CannotDecide, match=r"nobody hand over|does not review"):
                hand_over(task.pk, person(alice), charlie)
    assert not Place.objects.exists()


def test_neither_the_requester_nor_whoever_has_decided_gets_it(
    alice: User, bob: User, dora: User
) -> None:
    gate = GateFactory(groups=[TEAM], exclude_requester=True, quorum=2)
    UserFactory(groups=[TEAM])
    task = task_for(gate, requestedBy="dora@example.com")
    with pytest.raises(CannotDecide, match="Dora requested this"):
        hand_over(task.pk, person(alice), dora)
    decide(task.pk, person(bob), Verdict.APPROVE, via=VIA)
    with pytest.raises(CannotDecide, match="Bob has decided on this already"):
        hand_over(task.pk, person(alice), bob)


def test_nobody_gets_two_places_where_each_is_needed(alice: User, bob: User) -> None:
    task = task_for(GateFactory(groups=[TEAM], quorum=2))
    with pytest.raises(CannotDecide, match="Then 1 could still decide"):
        hand_over(task.pk, person(alice), bob)
    assert not Place.objects.exists()
    teams = GateFactory(groups=[TEAM, OTHER_TEAM], needs=Gate.Needs.EACH_GROUP)
    UserFactory(groups=[OTHER_TEAM])
    charlie = UserFactory(groups=[OTHER_TEAM])
    with pytest.raises(CannotDecide, match="reviews for another team"):
        hand_over(task_for(teams).pk, person(alice), charlie)


def test_handing_over_and_deciding_at_once_has_one_winner(
    transactional_db: None, alice: User, bob: User
) -> None:
    task = task_for(GateFactory(groups=[TEAM]))
    results = at_once(
        lambda: hand_over(task.pk, person(alice), bob),
        lambda: decide(task.pk, person(alice), Verdict.APPROVE, via=VIA),
    )
    lost = [one for one in results if isinstance(one, Exception)]
    assert [type(one) for one in lost] in ([CannotDecide], [AlreadySettled])
    assert (again(task).status == "approved") == isinstance(results[0], AlreadySettled)


def test_a_delegate_decides_where_the_gate_lets_them(alice: User, charlie: User) -> None:
    """And while the absence lasts; the absent person may all the same."""
    for hand_to, may in (("nobody", False), ("reviewers", False), ("anybody", True)):
        task = task_for(GateFactory(users=[alice], hand_over=hand_to))
        now = timezone.now()
        for start, end, lasts in ((-1, None, True), (-1, 1, True), (-2, -1, False), (1, 2, False)):
            until = now + end * DAY if end else None
            times = {"away_from": now + start * DAY, "away_until": until}
            User.objects.filter(pk=alice.pk).update(delegate=charlie, **times)
            assert waits_for(charlie, task) == can_decide(again(task), person(charlie))
            assert waits_for(charlie, task) == (may and lasts)
            assert waits_for(alice, task)


def test_a_delegates_delegate_does_not_decide(open_gate: Gate, alice: User, charlie: User) -> None:
    other = UserFactory(username="erin")
    away = timezone.now() - DAY
    User.objects.filter(pk=alice.pk).update(delegate=charlie, away_from=away)
    User.objects.filter(pk=charlie.pk).update(delegate=other, away_from=away)
    task = task_for(open_gate)
    assert not can_decide(again(task), person(other))
    hand_over(task.pk, person(charlie), other)  # but in so many words they may be asked to
    decide(task.pk, person(other), Verdict.APPROVE, via=VIA)
    assert Decision.objects.get().on_behalf_of == alice
