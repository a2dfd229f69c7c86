"""DEMO, the seed: people, gates, the connection, the source; then state machines and executions.
`seed_ways` does the same for every other way in.

Idempotent. What a person may have changed meanwhile (passwords, policies) is left alone; addresses
of the emulator, which change between its lives, are brought up to date.
"""

from random import Random

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from approvals.decisions.expire import retire
from approvals.models import (
    ApprovalTask,
    Calendar,
    Connection,
    Gate,
    QuarantinedMessage,
    Source,
    User,
)
from approvals.states import TaskStatus
from demo.aws_resources import AwsResources
from demo.execution import Engine
from demo.gates import GATES, OTHERWISE
from demo.inputs import Start, first_ones, misspelled_gate
from demo.people import PEOPLE
from demo.policy_gates import POLICY_GATES


class NotOurs(Exception):
    """This database has people of its own: the demo's, whose passwords anybody can read, are not
    added to them."""


@transaction.atomic
def seed_people() -> None:
    """Raises `NotOurs` where others were there first."""
    ours = User.objects.filter(email__in=[person.email for person in PEOPLE])
    if User.objects.exists() and not ours.exists():
        raise NotOurs(" ".join((NotOurs.__doc__ or "").split()))
    for person in PEOPLE:
        if User.objects.filter(username=person.username).exists():
            continue
        make = User.objects.create_superuser if person.is_admin else User.objects.create_user
        first_name, last_name = person.full_name.split()
        user = make(
            person.username,
            person.email,
            person.password,
            first_name=first_name,
            last_name=last_name,
        )
        user.groups.set(Group.objects.get_or_create(name=name)[0] for name in person.groups)
        if person.delegate:
            user.away_from = timezone.now()
            user.delegate = User.objects.get(username=person.delegate)
            user.save(update_fields=["away_from", "delegate"])


@transaction.atomic
def seed_gates() -> None:
    for wanted in (*GATES, *POLICY_GATES):
        gate, is_new = Gate.objects.get_or_create(slug=wanted.slug, defaults=wanted.policy)
        if is_new:
            gate.groups.set(Group.objects.filter(name__in=wanted.groups))
            gate.users.set(User.objects.filter(username__in=wanted.usernames))
            gate.escalate_to.set(Group.objects.filter(name__in=wanted.escalate_to))
            if wanted.calendar:
                gate.calendar = Calendar.objects.create(**wanted.calendar)
                gate.save(update_fields=["calendar"])
            for position, stage in enumerate(wanted.stages, start=1):
                made = gate.stages.create(position=position, name=stage.name)
                made.groups.set(Group.objects.filter(name__in=stage.groups))


@transaction.atomic
def seed_source(aws: AwsResources, queue_url: str) -> Connection:
    """The connection and the source, where they are now."""
    where = {"region": aws.region, "endpoint_url": aws.endpoint_url}
    name = "AWS emulator" if aws.is_emulator else "AWS"
    connection, _ = Connection.objects.update_or_create(
        name=name,
        defaults=where,
        create_defaults={
            **where,
            "kind": "step_functions",
            # moto calls the token of a state without HeartbeatSeconds invalid when it is asked
            **({"probe_seconds": None} if aws.is_emulator else {}),
        },
    )
    Source.objects.update_or_create(
        name=f"{name}, approvals queue",
        defaults={"queue_url": queue_url},
        create_defaults={
            "queue_url": queue_url,
            "kind": Source.Kind.SQS,
            "connection": connection,
            "gate": Gate.objects.get(slug=OTHERWISE),
        },
    )
    return connection


def retire_what_ended(engine: Engine, connection: Connection) -> int:
    """Tasks of executions that are no longer there leave the inbox; how many did.

    Emulators keep executions in memory, so each start ends those of the one before. Heartbeats
    can't find that out: an unknown execution may also be one that we may not see. A task that is
    settled, and whose answer was not delivered in time, only loses its heartbeats.
    """
    alive = ApprovalTask.objects.filter(
        Q(status=TaskStatus.PENDING) | Q(heartbeat__isnull=False), connection=connection
    ).exclude(execution_id="")
    gone = [task.pk for task in alive.only("execution_id") if not engine.knows(task.execution_id)]
    for task_id in gone:
        retire(task_id)
    return len(gone)


def start_executions(aws: AwsResources, machines: dict[str, str], random: Random) -> int:
    """Fill an inbox that nothing would come into; how many executions were started."""
    if aws.has_executions():
        return 0
    starts = first_ones(random)
    if not QuarantinedMessage.objects.exists():
        starts.append(misspelled_gate(random))
    for start in starts:
        begin(aws, machines, start)
    return len(starts)


def begin(aws: AwsResources, machines: dict[str, str], start: Start) -> str:
    return aws.start(machines[start.machine], start.name, start.data)
