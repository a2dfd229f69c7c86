"""Who reviews at a stage, what its rule makes of their number, and whether that can be reached."""

import pytest
from django.contrib.auth.models import Group

from approvals.models import Gate, Place, Stage
from approvals.people.roster import (
    members,
    next_stage,
    out_of_reach,
    review_rule,
    roster,
    rule_of,
)
from tests.conftest import OTHER_TEAM, TEAM
from tests.factories import GateFactory, UserFactory, task_for


@pytest.fixture
def board(gate, alice):
    stage = Stage.objects.create(gate=gate, position=3, name="Board")
    stage.users.add(alice)
    return stage


def test_a_person_is_a_member_once_with_all_their_teams(gate, alice, charlie):
    alice.groups.add(charlie.groups.get())
    gate.groups.add(charlie.groups.get())
    gate.users.add(alice)
    gone = UserFactory(groups=[TEAM], is_active=False)
    found = members(gate)
    assert found[alice.pk] == set(alice.groups.values_list("pk", flat=True))
    assert gone.pk not in found


def test_stages_follow_each_other_whatever_gaps_their_positions_leave(gate, board):
    assert review_rule(gate, 0) is gate
    assert next_stage(gate, 0) == board
    assert review_rule(gate, 3) == board
    assert next_stage(gate, 3) is None
    assert review_rule(gate, 7) == board  # the one that was there is gone
    board.delete()
    assert review_rule(gate, 3) == gate


def test_a_majority_is_counted_from_those_who_may_decide_the_task(gate, alice, bob, dora):
    Gate.objects.update(needs="majority", exclude_requester=True)
    gate.refresh_from_db()
    task = task_for(gate, requestedBy="dora")
    assert set(roster(task)) == {alice.pk, bob.pk}
    assert (task.required, task_for(gate, requestedBy="eve").required) == (2, 2)
    UserFactory(groups=[TEAM])
    # More than half of three, or of all four.
    assert task_for(gate, requestedBy="dora").required == 2
    assert task_for(gate, requestedBy="eve").required == 3


def test_a_narrowed_task_has_only_those_whom_its_message_names(gate, alice, bob, dora):
    task = task_for(gate)
    task.is_narrowed = True
    Place.objects.create(task=task, user=bob, why=Place.Why.NAMED)
    assert set(roster(task)) == {bob.pk}
    Place.objects.create(task=task, group=alice.groups.get(), why=Place.Why.NAMED)
    assert set(roster(task)) == {alice.pk, bob.pk, dora.pk}


def test_teams_are_a_matter_of_the_rule_only_where_each_counts(gate):
    assert rule_of(gate).groups == frozenset()
    gate.needs = "each"
    assert rule_of(gate).groups == set(gate.groups.values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({}, ""),
        ({"quorum": 2}, ""),
        ({"quorum": 3}, "it requires 3 approvals and has 2 active reviewers"),
        ({"needs": "majority"}, ""),
        ({"needs": "each"}, "requires 1 approval of “Platform”, which has 0 active reviewers"),
        ({"exclude_requester": True, "quorum": 2}, "when a reviewer is the requester"),
    ],
)
def test_a_gate_that_nobody_can_pass_says_why(alice, bob, policy, said):
    groups = [TEAM, OTHER_TEAM] if policy.get("needs") == "each" else [TEAM]
    found = out_of_reach(GateFactory(groups=groups, **policy))
    assert said in found if said else not found


def test_a_stage_that_nobody_can_pass_is_named(gate, alice, board):
    board.users.clear()
    board.groups.add(Group.objects.create(name="Empty"))
    assert "stage “Board”, can't be passed: it requires 1 approval" in out_of_reach(gate)
