"""Who can approve this now, and who if one of them is away: by the rules that decide."""

import datetime as dt

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from approvals.decisions.decide import decide
from approvals.models import ApprovalTask, Decision, Gate, Place, Stage, User
from approvals.people.who import Crowd, outlook
from approvals.states import Verdict
from tests.conftest import OTHER_TEAM, TEAM, person
from tests.factories import GateFactory, UserFactory, task_for


def of(client, what) -> str:
    url = f"/tasks/{what.pk}/who/" if isinstance(what, ApprovalTask) else f"/gates/{what.slug}/who/"
    response = client.get(url)
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("&#x27;", "'").split())


def send_away(user: User, delegate: User | None = None) -> None:
    user.away_from = timezone.now() - dt.timedelta(hours=1)
    user.away_until = timezone.now() + dt.timedelta(days=2)
    user.delegate = delegate
    user.save()


def row(html: str, name: str) -> str:
    [found] = [part for part in html.split('class="who-row"')[1:] if f">{name}</span>" in part]
    return found


def test_any_of_several_may_be_away(web, gate, bob):
    html = of(web, gate)
    assert "Needs 1 approval." in html
    assert "Any one of them may be away" in html
    assert "Can decide" in row(html, "Bob")


def test_the_only_one_left_is_named(web, gate, bob):
    send_away(bob)
    html = of(web, gate)
    assert "If Alice is away, nobody can pass this." in html
    assert "Away until" in row(html, "Bob")
    assert "nobody stands in" in row(html, "Bob")


def test_a_delegate_keeps_a_gate_passable(web, gate, alice, bob, charlie):
    Gate.objects.update(quorum=2, hand_over="anybody")
    assert "If Alice or Bob is away, nobody can pass this." in of(web, gate)
    send_away(bob, charlie)
    html = of(web, gate)
    assert "Charlie stands in" in row(html, "Bob")
    assert "in Bob's place" in row(html, "Charlie")
    assert "If Alice or Charlie is away" in html
    User.objects.filter(pk=alice.pk).update(delegate=UserFactory(username="zoe"))
    assert "If Charlie is away, nobody can pass this." in of(web, gate)


def test_where_reviewers_alone_stand_in_nobody_has_two_voices(web, gate, alice, bob):
    Gate.objects.update(quorum=2)
    send_away(bob, alice)
    html = of(web, gate)
    assert "Nobody can pass this while Bob is away: 1 approval would be missing." in html


def test_a_task_says_why_each_can_or_cant(web, alice, bob, dora, charlie):
    gate = GateFactory(groups=[TEAM], quorum=2, exclude_requester=True)
    gone = UserFactory(username="gus", groups=[TEAM], is_active=False)
    eve = UserFactory(username="eve", groups=[TEAM])
    task = task_for(gate, requestedBy="dora")
    decide(task.pk, person(bob), Verdict.APPROVE, via=Decision.Via.INBOX)
    ApprovalTask.objects.update(has_places=True)
    Place.objects.create(task=task, user=charlie, why=Place.Why.HANDED, stands_for=eve)
    html = of(web, task)
    assert "It has 1 of 2." in html
    assert "Has approved" in row(html, "Bob")
    assert "Requested this" in row(html, "Dora")
    assert "Handed this to Charlie" in row(html, "Eve")
    assert "in Eve's place" in row(html, "Charlie")
    assert "Has no account any more" in row(html, gone.display_name)
    assert "Can decide" in row(html, "Alice")
    assert "Any one of them may be away" in html
    ApprovalTask.objects.update(claimed_by=alice, claimed_at=timezone.now())
    html = of(web, task)
    assert "Is on it" in row(html, "Alice")
    assert "once Alice lets go of it" in row(html, "Charlie")


def test_each_stage_of_a_gate_has_its_own(web, gate, bob, charlie):
    stage = Stage.objects.create(gate=gate, position=1, name="Security", needs="each")
    stage.groups.set(Group.objects.filter(name__in=[TEAM, OTHER_TEAM]))
    html = of(web, gate)
    assert f"Needs 1 approval from each of {TEAM} and {OTHER_TEAM}." in html
    assert "If Charlie is away, nobody can pass this." in html


def test_a_settled_task_says_so(web, gate, bob):
    task = task_for(gate)
    decide(task.pk, person(bob), Verdict.APPROVE, via=Decision.Via.INBOX)
    assert "Nothing is left to decide. Bob has already approved this." in of(web, task)


def test_more_people_cost_no_more_queries(
    web, alice, bob, charlie, django_assert_max_num_queries, django_assert_num_queries
):
    gate = GateFactory(groups=[TEAM], quorum=2, needs="majority", hand_over="anybody")
    task = task_for(gate)

    def count() -> int:
        with django_assert_max_num_queries(30) as queries:
            of(web, gate)
            of(web, task)
        return len(queries)

    count()
    before = count()
    for number in range(10):
        send_away(UserFactory(username=f"x{number}", groups=[TEAM]), [charlie, bob][number % 2])
    assert count() <= before


@pytest.mark.parametrize("hand_over", ["nobody", "reviewers", "anybody"])
def test_many_at_once_sit_where_each_of_them_does(gate, alice, bob, charlie, dora, hand_over):
    """The crowd asks the rule for all at once: it must not answer otherwise than for each."""
    Gate.objects.update(hand_over=hand_over)
    send_away(bob, alice)
    send_away(dora, charlie)
    task = task_for(gate)
    crowd = Crowd(Gate.objects.get(pk=gate.pk))
    for user in (alice, bob, charlie, dora):
        one = person(user)
        seats = crowd.person(user, crowd.away).seats_at(task, []) if user.pk in crowd.users else []
        assert seats == one.seats_at(task, [])
    found = outlook(task, crowd, [])
    assert [user.username for user in found.alone] == {
        "nobody": ["alice"], "reviewers": ["alice"], "anybody": [],
    }[hand_over]  # fmt: skip


def test_a_task_shows_where_it_is_first_then_what_comes_then_what_it_has_passed(
    web, alice, bob, charlie
):
    gate = GateFactory(groups=[TEAM], hand_over="anybody")
    for position, (name, team) in enumerate(
        (("Security", OTHER_TEAM), ("Board", "Board"), ("Both", TEAM)), 1
    ):
        stage = Stage.objects.create(gate=gate, position=position, name=name)
        stage.groups.set([Group.objects.get_or_create(name=team)[0]])
    task = task_for(gate)
    html = of(web, task)
    places = [html.index(name) for name in ("1. First", "2. Security", "3. Board", "4. Both")]
    assert places == sorted(places)
    assert html.count(">Now<") == 1
    assert html.count(">Later<") == 3
    decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    ApprovalTask.objects.update(claimed_by=charlie, claimed_at=timezone.now(), has_places=True)
    Place.objects.create(task=task, user=bob, why=Place.Why.HANDED, stands_for=charlie)
    html = of(web, task)
    places = [html.index(name) for name in ("2. Security", "3. Board", "4. Both", "1. First")]
    assert places == sorted(places)
    here, board, both, passed = html.split("<section")[1:]
    assert "Now" in here
    assert "once Charlie lets go of it" in row(here, "Bob")
    assert "Nobody is named here." in board
    assert "Nobody can pass this: 1 approval would be missing." in board
    assert "Has decided an earlier stage" in row(both, "Alice")
    # What holds here holds no longer there.
    assert "Charlie" not in row(both, "Bob")
    assert "Can decide" in row(both, "Bob")
    assert "Passed" in passed
    assert "Approved by Alice." in passed
    assert "who-row" not in passed


def test_a_later_stage_can_be_decided_by_whoever_the_message_does_not_name(web, alice, bob):
    gate = GateFactory(groups=[TEAM], own_reviewers=True)
    stage = Stage.objects.create(gate=gate, position=1, name="Board")
    stage.users.set([bob])
    html = of(web, task_for(gate, reviewers={"users": ["alice"]}))
    here, later = html.split("<section")[1:]
    assert "Is not asked" in row(here, "Bob")
    assert "Can decide" in row(later, "Bob")
