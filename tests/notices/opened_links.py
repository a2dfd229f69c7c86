"""Links in every state that a reviewer may find one in, reached as they are in life."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from approvals.decisions.decide import decide
from approvals.decisions.expire import retire
from approvals.models import ApprovalTask, Decision, Gate, Link, Mail, Place, Stage, User
from approvals.notices.links import address
from approvals.states import Verdict
from tests.conftest import TEAM, person
from tests.factories import GateFactory, UserFactory, task_for

AGO = dt.timedelta(minutes=1)


def open_link(task: ApprovalTask, user: User) -> str:
    """The path of a link to `task` for `user`, as a mail holds it."""
    mail = Mail.objects.create(person=user, address=user.email)
    return urlsplit(address(mail, task, user)).path


def alone_gate(**fields: Any) -> Gate:
    """Where a link decides without a sign-in."""
    return GateFactory(groups=[TEAM], link_alone_minutes=30, **fields)


class World:
    """A task at a gate of Alice's team, her link to it, and Bob."""

    def __init__(self, alice: User, is_alone: bool, **gate: Any) -> None:
        self.alice, self.bob = alice, UserFactory(username="bob", groups=[TEAM])
        minutes = 30 if is_alone else None
        self.gate = GateFactory(groups=[TEAM], name="Refunds", link_alone_minutes=minutes, **gate)
        self.task = task_for(self.gate, title="Refund order 4711", dedupeKey="order-4711")
        self.path = open_link(self.task, alice)

    def update(self, **fields: Any) -> None:
        ApprovalTask.objects.filter(pk=self.task.pk).update(**fields)

    def decide(self, user: User, **given: Any) -> None:
        decide(self.task.pk, person(user), Verdict.APPROVE, via=Decision.Via.INBOX, **given)


def _used(at: World) -> None:
    at.decide(at.alice)
    Link.objects.update(used_at=timezone.now())


def _handed_over(at: World) -> None:
    Place.objects.create(
        task=at.task, user=at.bob, stands_for=at.alice, why=Place.Why.HANDED, for_groups=[]
    )
    at.update(has_places=True)


def _staged(at: World) -> None:
    stage = Stage.objects.create(gate=at.gate, position=1, name="Finance")
    stage.users.add(UserFactory())
    at.decide(at.bob)


def _deactivated(at: World) -> None:
    User.objects.filter(pk=at.alice.pk).update(is_active=False)


# What happened meanwhile, and then: the status and the words of the page.
DEATHS: dict[str, tuple[Callable[[World], object], int, str]] = {
    "used": (_used, 200, "You have approved this"),
    "decided by a colleague": (lambda at: at.decide(at.bob), 410, "Bob has already approved this."),
    "decided in the inbox": (lambda at: at.decide(at.alice), 410, "You have approved this"),
    "handed over": (_handed_over, 409, "You handed this to Bob."),
    "out of the team": (lambda at: at.alice.groups.clear(), 410, "not yours to decide any more"),
    "a colleague is on it": (
        lambda at: at.update(claimed_by=at.bob, claimed_at=timezone.now()),
        409,
        "Bob is on it.",
    ),
    "asked herself": (
        lambda at: (
            Gate.objects.update(exclude_requester=True),
            at.update(requested_by="alice", requester=at.alice),
        ),
        409,
        "You requested this",
    ),
    "on to the next stage": (_staged, 409, "nothing left for you to decide here"),
    "expired": (
        lambda at: Link.objects.update(expires_at=timezone.now() - AGO),
        410,
        "This link has expired",
    ),
    "superseded": (
        lambda at: task_for(at.gate, title="Refund again", dedupeKey="order-4711"),
        410,
        "Open the newer task",
    ),
    "the workflow ended": (lambda at: retire(at.task.pk), 410, "This has ended"),
    "deactivated": (_deactivated, 410, "This link does not work any more"),
}
