"""DEMO, the seed of every other way in: connections, sources, their keys, and the runner's key.

Idempotent as `seed` is. Keys are made once: the emulators are given what is stored.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from approvals.errors import KeyNotLive
from approvals.intake import keys
from approvals.models import Connection, Gate, JobKey, Source, User
from approvals.outside_jobs import keys as job_keys
from approvals.tokens import encrypt
from demo.cloudflow_resources import REGION
from demo.engines import OtherEngines
from demo.gates import JOBS
from demo.ministack_resources import Caller
from demo.seed import retire_what_ended

Kind, Auth = Source.Kind, Source.Auth
RUNNER = "Demo's runner"


@dataclass(frozen=True)
class Ways:
    """The addresses that are called, with what their callers show."""

    function: Caller
    topic: Caller
    destination: Caller
    flow: Caller
    workflow: Caller


@transaction.atomic
def seed_ways(others: OtherEngines) -> int:
    """Everything where it is now; how many tasks of ended executions have left the inbox.

    The first AWS emulator's sources are made before, by `seed`.
    """
    ministack, cloudflow, http = _connections(others)
    calling, _ = others.ministack.make_topics()
    _source("Invoices, Lambda function", ministack, "supplier-payments", auth=Auth.HMAC)
    _source(
        "Prices, SNS topic",
        ministack,
        "price-changes",
        kind=Kind.SNS,
        auth=Auth.BASIC,  # the emulator's signature is none
        where={"topic_arns": calling},
    )
    _source(
        "Credit limits, SNS topic and queue",
        ministack,
        "credit-limits",
        kind=Kind.SQS,
        where={"queue_url": others.ministack.make_queue()},
        tells_of_executions=True,
    )
    _source("Access, EventBridge", ministack, "access-requests", auth=Auth.OAUTH)
    _source(
        "Stock, MNS queue",
        cloudflow,
        "stock-write-offs",
        kind=Kind.MNS,
        where={"queue_url": others.cloudflow.queue_url},
    )
    _source("Newsletters, CloudFlow", cloudflow, "campaigns", auth=Auth.BEARER)
    _source("DNS, workflow on HTTP", http, "infrastructure-changes", auth=Auth.BEARER)
    return sum(
        retire_what_ended(engine, connection)
        for engine, connection in (
            (others.ministack, ministack),
            (others.cloudflow, cloudflow),
            (others.http, http),
        )
    )


def ways() -> Ways:
    """As `seed_ways` has made them."""
    return Ways(
        function=_caller("Invoices, Lambda function"),
        topic=_caller("Prices, SNS topic"),
        destination=_caller("Access, EventBridge"),
        flow=_caller("Newsletters, CloudFlow"),
        workflow=_caller("DNS, workflow on HTTP"),
    )


def runner_key(kept: str) -> str:
    """`kept`, or a new key if that one is no longer let in."""
    try:
        job_keys.find(kept)
        return kept
    except KeyNotLive:
        pass
    admin = User.objects.get(username="admin")
    for lost in JobKey.objects.select_related("gate").filter(gate__slug=JOBS, name=RUNNER):
        job_keys.revoke(lost, admin)
    return job_keys.issue_runner_key(Gate.objects.get(slug=JOBS), RUNNER, admin).secret


def _connections(others: OtherEngines) -> tuple[Connection, Connection, Connection]:
    ministack = _connection(
        "MiniStack",
        {"endpoint_url": others.ministack.endpoint_url, "region": others.ministack.region},
        kind="step_functions",
    )
    cloudflow = _connection(
        "CloudFlow",
        {"endpoint_url": others.cloudflow.url},
        kind="cloudflow",
        region=REGION,
        key_id=others.cloudflow.key_id,
        secret_ciphertext=encrypt(others.cloudflow.secret),
    )
    http = _connection("Workflows on HTTP", {"hosts": others.http.url}, kind="callback_url")
    return ministack, cloudflow, http


def _connection(name: str, where: dict[str, str], **fields: Any) -> Connection:
    connection, _ = Connection.objects.update_or_create(
        name=name, defaults=where, create_defaults={**where, **fields}
    )
    return connection


def _source(
    name: str,
    connection: Connection,
    gate: str,
    *,
    kind: str = Kind.WEBHOOK,
    auth: str = Auth.HMAC,
    where: dict[str, str] | None = None,
    **fields: Any,
) -> None:
    where = where or {}
    source, is_new = Source.objects.update_or_create(
        name=name,
        defaults=where,
        create_defaults={
            **where,
            **fields,
            "kind": kind,
            "auth": auth,
            "connection": connection,
            "gate": Gate.objects.get(slug=gate),
        },
    )
    if is_new and source.is_called:
        keys.issue(source, None)


def _caller(name: str) -> Caller:
    """With the newest key; another one is made where a person has revoked all."""
    source = Source.objects.get(name=name)
    *_, key = keys.live_secrets(source) or [keys.issue(source, None)]
    address = settings.SITE_URL + reverse("intake", args=[source.address])
    return Caller(address, key.key_id, key.secret)
