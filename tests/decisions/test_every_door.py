"""The inbox, a link in a mail, several at once, the administration: one rule behind every door.

Each case is the same world and the same button, pressed at each door: the same comes of it, in the
same words.
"""

import re
from dataclasses import dataclass
from html import unescape
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from approvals.decisions import likeness
from approvals.decisions.decide import decide
from approvals.decisions.expire import retire
from approvals.decisions.hand_over import hand_over
from approvals.models import (
    ApprovalTask,
    AuditEvent,
    Callback,
    Decision,
    Gate,
    Mail,
    Place,
    Stage,
    User,
)
from approvals.notices import links
from approvals.people.roles import ADMINISTRATORS
from approvals.states import TaskStatus, Verdict
from tests.concurrency import at_once
from tests.conftest import TEAM, person
from tests.factories import GateFactory, task_for

SHOWN = re.compile(r'name="shown" value="([^"]+)"')

# --- doors ---------------------------------------------------------------------------------------


@dataclass
class Door:
    """How one person decides one task there. Made while the task can still be looked at; `press`
    sends the form and gives the page that comes back, as text."""

    client: Client
    user: User
    task: ApprovalTask

    via: ClassVar[Decision.Via]

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        pass

    def press(self, verdict: str, **fields: str) -> str:
        raise NotImplementedError

    def send(self, url: str, data: dict[str, Any]) -> str:
        response = self.client.post(url, data, follow=True)
        assert response.status_code < 500
        return " ".join(unescape(response.content.decode()).split())


class Inbox(Door):
    via = Decision.Via.INBOX

    def press(self, verdict: str, **fields: str) -> str:
        return self.send(f"/tasks/{self.task.pk}/decide/", {"verdict": verdict, **fields})


class Administration(Door):
    via = Decision.Via.ADMIN

    def press(self, verdict: str, **fields: str) -> str:
        url = f"/admin/approvals/approvaltask/{self.task.pk}/decide/"
        return self.send(url, {"verdict": verdict, **fields})


class SignedInLink(Door):
    via = Decision.Via.LINK

    def open(self) -> None:
        mail = Mail.objects.create(person=self.user, address=self.user.email)
        self.url = links.address(mail, self.task, self.user)
        response = self.client.get(self.url)
        self.url = response.get("Location", self.url)

    def press(self, verdict: str, **fields: str) -> str:
        return self.send(self.url, {"verdict": verdict, **fields})


class LinkAlone(Door):
    """Whoever holds the mail, signed in nowhere: the gate lets a link decide by itself."""

    via = Decision.Via.LINK

    def open(self) -> None:
        self.client = Client()
        Gate.objects.filter(pk=self.task.gate_id).update(link_alone_minutes=30)
        self.task.gate.refresh_from_db()
        mail = Mail.objects.create(person=self.user, address=self.user.email)
        self.url = links.address(mail, self.task, self.user)
        self.shown = {verdict: self._shown(verdict) for verdict in Verdict}

    def _shown(self, verdict: str) -> str:
        """What only the page holds that asks about this button; blank where there is none."""
        page = self.client.get(self.url, {"verdict": verdict}).content.decode()
        return "".join(SHOWN.findall(page))

    def press(self, verdict: str, **fields: str) -> str:
        shown = {"shown": self.shown.get(verdict, "")}
        return self.send(self.url, {"verdict": verdict, **shown, **fields})


class SeveralAtOnce(Door):
    via = Decision.Via.BULK

    def open(self) -> None:
        self.shown = f"{self.task.pk}.{likeness.digest(self.task)}"

    def press(self, verdict: str, **fields: str) -> str:
        data = {"verdict": verdict, "shown": self.shown, "batch": str(uuid4()), **fields}
        return self.send("/tasks/several/", data)


DOORS = [Inbox, SignedInLink, LinkAlone, SeveralAtOnce, Administration]
every_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)


@pytest.fixture
def gate(db: None) -> Gate:
    return GateFactory(slug="refunds", name="Refunds", groups=[TEAM], quorum=2, hand_over="anybody")


@pytest.fixture
def everybody(alice: User, bob: User, charlie: User, dora: User) -> None:
    """Whoever acts here may also open the administration: that is no way around a rule."""
    administrators = Group.objects.get(name=ADMINISTRATORS)
    for user in (alice, bob, charlie, dora):
        user.groups.add(administrators)
        User.objects.filter(pk=user.pk).update(is_staff=True)


def refreshed(task: ApprovalTask) -> ApprovalTask:
    return ApprovalTask.objects.select_related("gate", "connection").get(pk=task.pk)


def approve(task: ApprovalTask, user: User) -> None:
    decide(task.pk, person(user), Verdict.APPROVE, via=Decision.Via.INBOX)


# --- what is refused -----------------------------------------------------------------------------


def settled(task, alice, bob, dora, charlie):
    for user in (bob, dora):
        approve(task, user)
    return alice, "Dora has already approved this."


def ended(task, alice, bob, dora, charlie):
    retire(task.pk)
    return alice, "The workflow ended before this was decided."


def not_named(task, alice, bob, dora, charlie):
    return charlie, "You can look at this task, but its gate does not name you."


def requested_it(task, alice, bob, dora, charlie):
    Gate.objects.update(exclude_requester=True)
    ApprovalTask.objects.update(requester=dora, requested_by="dora")
    return dora, "You requested this, so somebody else has to decide."


def decided_already(task, alice, bob, dora, charlie):
    approve(task, alice)
    return alice, "You have approved this already."


def claimed(task, alice, bob, dora, charlie):
    ApprovalTask.objects.update(claimed_by=bob, claimed_at=timezone.now())
    return alice, "Bob is on it. Take it over to decide."


def next_stage(task, alice, bob, dora, charlie):
    stage = Stage.objects.create(gate=task.gate, position=1, name="Board")
    stage.users.add(charlie)
    return charlie, "It comes to you once those before you have approved."


def handed_away(task, alice, bob, dora, charlie):
    hand_over(task.pk, person(alice), charlie)
    return alice, "You handed this to Charlie."


def narrowed(task, alice, bob, dora, charlie):
    ApprovalTask.objects.update(is_narrowed=True, has_places=True)
    Place.objects.create(task=task, user=bob, why=Place.Why.NAMED)
    return alice, "You can look at this task, but it asks others of its gate."


def held(task, alice, bob, dora, charlie):
    Gate.objects.update(undo_seconds=60)
    for user in (bob, dora):
        approve(task, user)
    return alice, "Dora has just approved this, and can still undo that."


CASES = [settled, ended, not_named, requested_it, decided_already, claimed, next_stage,
         handed_away, narrowed, held]  # fmt: skip


@every_door
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.usefixtures("everybody")
def test_who_may_not_decide_reads_the_same_words(
    door, case, gate, alice, bob, dora, charlie, signed_in
):
    task = task_for(gate)
    # Everybody has the page open when it happens.
    opened = {user.pk: door(signed_in(user), user, task) for user in (alice, bob, dora, charlie)}
    user, words = case(refreshed(task), alice, bob, dora, charlie)
    before = refreshed(task).status, Decision.objects.count(), AuditEvent.objects.count()
    for verdict in Verdict:
        said = opened[user.pk].press(verdict, comment="Looked at it")
        # A link's page has that as its heading: “You have approved this”.
        assert (words.removesuffix(" already.") if door.via == Decision.Via.LINK else words) in said
    after = refreshed(task).status, Decision.objects.count(), AuditEvent.objects.count()
    assert after == before


@every_door
@pytest.mark.usefixtures("everybody")
def test_a_missing_reason_is_asked_for(door, gate, alice, signed_in):
    task = task_for(gate)
    for comment in ("", " \n "):
        said = door(signed_in(alice), alice, task).press("reject", comment=comment)
        assert "Please say why you reject this." in said
    assert not Decision.objects.exists()


@every_door
@pytest.mark.usefixtures("everybody")
def test_what_is_not_offered_is_not_decided(door, gate, alice, signed_in):
    task = task_for(gate)
    opened = door(signed_in(alice), alice, task)
    Gate.objects.update(choices=[{"key": "later", "label": "Later", "verdict": "approve"}])
    opened.press("approve", choice="now")
    opened.press("approve")
    opened.press("maybe")
    assert not Decision.objects.exists()


@every_door
@pytest.mark.usefixtures("everybody")
def test_a_form_is_not_passed_by(door, gate, alice, signed_in):
    task = task_for(gate)
    opened = door(signed_in(alice), alice, task)
    number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    Gate.objects.update(form=number)
    opened.press("approve")
    assert not Decision.objects.exists()


# --- what is decided -----------------------------------------------------------------------------


@every_door
@pytest.mark.usefixtures("everybody")
def test_approvals_add_up_to_the_quorum(door, gate, alice, bob, signed_in):
    task = task_for(gate)
    door(signed_in(alice), alice, task).press("approve")
    assert (refreshed(task).status, refreshed(task).approvals) == (TaskStatus.PENDING, 1)
    door(signed_in(bob), bob, task).press("approve", comment="Fine")
    assert refreshed(task).status == TaskStatus.APPROVED
    assert set(Decision.objects.values_list("via", "comment")) == {(door.via, ""),
                                                                   (door.via, "Fine")}  # fmt: skip
    assert Callback.objects.get(task=task).kind == Callback.Kind.SUCCESS
    assert AuditEvent.objects.filter(action="approved", data__via=door.via).count() == 2


@every_door
@pytest.mark.usefixtures("everybody")
def test_one_rejection_rejects_where_the_gate_says_so(door, gate, alice, signed_in):
    task = task_for(gate)
    door(signed_in(alice), alice, task).press("reject", comment="The invoice is wrong")
    assert refreshed(task).status == TaskStatus.REJECTED
    assert "The invoice is wrong" in Callback.objects.get(task=task).cause


@every_door
@pytest.mark.usefixtures("everybody")
def test_a_handed_task_is_decided_in_the_givers_place(door, gate, alice, charlie, signed_in):
    task = task_for(gate)
    hand_over(task.pk, person(alice), charlie)
    door(signed_in(charlie), charlie, task).press("approve")
    decision = Decision.objects.get()
    assert (decision.reviewer, decision.on_behalf_of) == (charlie, alice)


@every_door
@pytest.mark.usefixtures("everybody")
def test_a_decision_waits_for_its_undo_whatever_the_door(door, gate, alice, signed_in):
    Gate.objects.update(undo_seconds=60, quorum=1)
    task = task_for(gate)
    door(signed_in(alice), alice, task).press("approve")
    assert refreshed(task).settles_at
    assert not Callback.objects.exists()


@pytest.mark.django_db(transaction=True)
@every_door
def test_of_two_at_once_one_decides(door, gate, alice, bob, request, signed_in):
    Gate.objects.update(quorum=1)
    request.getfixturevalue("everybody")
    task = task_for(gate)
    pressed = [door(signed_in(user), user, task) for user in (alice, bob)]
    pages = at_once(*(lambda one=one: one.press("approve") for one in pressed))
    assert Decision.objects.count() == Callback.objects.count() == 1
    first = Decision.objects.get().reviewer
    told = [f"{first.display_name} has already approved this." in str(page) for page in pages]
    assert any(told)
