"""Things that are stuck, reached through real code."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.db.models.functions import Now

from approvals.callbacks import outbox
from approvals.callbacks.deliver import deliver
from approvals.decisions.decide import decide
from approvals.intake.accept import accept
from approvals.models import Callback, Decision, Gate, QuarantinedMessage, Source, User
from approvals.states import CallbackStatus, Verdict
from tests.conftest import person
from tests.factories import message, task_for


def earlier(**delta: float) -> object:
    return Now() - dt.timedelta(**delta)


@pytest.fixture
def owed(gate: Gate, alice: User) -> Callable[..., Callback]:
    """A decided task whose engine has not heard yet."""

    def make(**fields: object) -> Callback:
        task = task_for(gate, **fields)
        decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
        return Callback.objects.get(task=task)

    return make


@pytest.fixture
def dead(owed: Callable[..., Callback]) -> Callable[..., Callback]:
    """The engine in memory knows no such token, and says so."""

    def make(**fields: object) -> Callback:
        callback = owed(**fields)
        assert deliver(callback.pk) == CallbackStatus.DEAD
        return callback

    return make


@pytest.fixture
def unconfirmed(owed: Callable[..., Callback]) -> Callable[..., Callback]:
    """Its sender took the lease and died."""

    def make(**fields: object) -> Callback:
        callback = owed(**fields)
        assert outbox.take(callback.pk)
        Callback.objects.filter(pk=callback.pk).update(due_at=earlier(seconds=1))
        assert outbox.take(callback.pk) is None
        return callback

    return make


@pytest.fixture
def held(source: Source) -> Callable[..., QuarantinedMessage]:
    """A message for a gate that does not exist."""

    def make(gate: str = "not-there-yet", **fields: object) -> QuarantinedMessage:
        [acceptance] = accept(source, [message(gate=gate, **fields)])
        assert acceptance.problem
        return QuarantinedMessage.objects.order_by("pk").last()

    return make
