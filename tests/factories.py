"""How tests get their rows: through the real code wherever a state has to be reached."""

import itertools
import json
from typing import Any
from uuid import uuid4

import factory
from django.contrib.auth.models import Group

from approvals.intake.accept import accept
from approvals.models import ApprovalTask, Connection, Gate, Source, User

_numbers = itertools.count(1)


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    first_name = factory.LazyAttribute(lambda user: user.username.capitalize())
    password = factory.django.Password("correct horse battery")

    @factory.post_generation
    def groups(self, create: bool, extracted: list[Any] | None, **kwargs: Any) -> None:
        """Groups, or their names."""
        for group in extracted or ():
            if isinstance(group, str):
                group, _ = Group.objects.get_or_create(name=group)
            self.groups.add(group)


class ConnectionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Connection

    name = factory.Sequence(lambda n: f"connection {n}")
    kind = "in_memory"
    region = "us-east-1"


class GateFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Gate
        skip_postgeneration_save = True

    slug = factory.Sequence(lambda n: f"gate-{n}")
    name = factory.Sequence(lambda n: f"Gate {n}")

    @factory.post_generation
    def groups(self, create: bool, extracted: list[Any] | None, **kwargs: Any) -> None:
        """Groups, or their names."""
        for group in extracted or ():
            if isinstance(group, str):
                group, _ = Group.objects.get_or_create(name=group)
            self.groups.add(group)

    @factory.post_generation
    def users(self, create: bool, extracted: list[User] | None, **kwargs: Any) -> None:
        self.users.add(*(extracted or ()))


class SourceFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Source

    name = factory.Sequence(lambda n: f"source {n}")
    connection = factory.SubFactory(ConnectionFactory)
    tells_of_executions = True
    queue_url = factory.Sequence(lambda n: f"http://127.0.0.1:1/123456789012/queue-{n}")


def message(**fields: Any) -> str:
    """A canonical message body; a fresh token unless one is given."""
    number = next(_numbers)
    body = {"taskToken": f"token-{number}-{uuid4().hex}", "title": f"Task {number}"}
    return json.dumps(body | fields)


def task_for(gate: Gate, source: Source | None = None, **fields: Any) -> ApprovalTask:
    """A pending task at `gate`, come in as a message; `fields` are fields of that message."""
    source = source or Source.objects.first() or SourceFactory()
    [acceptance] = accept(source, [message(gate=gate.slug, **fields)])
    assert acceptance.task_id, acceptance.problem
    return ApprovalTask.objects.select_related("gate", "connection").get(pk=acceptance.task_id)


def tasks_for(gate: Gate, count: int, source: Source | None = None) -> list[ApprovalTask]:
    source = source or Source.objects.first() or SourceFactory()
    ids = [a.task_id for a in accept(source, [message(gate=gate.slug) for _ in range(count)])]
    return list(ApprovalTask.objects.filter(pk__in=ids))
