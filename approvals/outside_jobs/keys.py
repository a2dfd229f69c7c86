"""OUTSIDE JOBS, who may speak: keys for runners and for single jobs. Only digests are kept.

A key is shown once, by whoever calls `issue_…`, and is in no log, page or record afterwards.
"""

import datetime as dt
import secrets
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from approvals.audit.record import Action, event, record
from approvals.errors import KeyNotLive
from approvals.models import ApprovalTask, Gate, JobKey, User
from approvals.tokens import digest

RUNNER, JOB = "csr_", "csj_"  # what a key begins with: for people and for scanners of secrets
LONGEST = 100
USED_EVERY = dt.timedelta(minutes=1)  # how exact `last_used_at` is: a busy job writes it seldom


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key. `secret` is what to show once; it can't be read again."""

    key: JobKey
    secret: str = field(repr=False)


@transaction.atomic
def issue_runner_key(gate: Gate, name: str, actor: User) -> Issued:
    """A key that claims the jobs of `gate`, until it is revoked."""
    issued = _issue(RUNNER, JobKey(gate=gate, name=name))
    record(event(Action.KEY_ISSUED, actor=actor, gate=gate.slug, key=issued.key.pk, name=name))
    return issued


def issue_job_key(task: ApprovalTask, name: str) -> Issued:
    """A key that reports on `task` alone, for as long as its gate says. Needs `task.gate`.

    The caller puts on the record who got it, in the same transaction.
    """
    expires_at = timezone.now() + dt.timedelta(hours=task.gate.job_key_hours)
    return _issue(JOB, JobKey(task=task, name=name, expires_at=expires_at))


def _issue(prefix: str, key: JobKey) -> Issued:
    secret = prefix + secrets.token_urlsafe(32)
    key.digest = digest(secret)
    key.save(force_insert=True)
    return Issued(key, secret)


@transaction.atomic
def revoke(key: JobKey, actor: User) -> None:
    """From now on nobody is let in with it; nothing if somebody was first."""
    said = {"gate": key.gate.slug} if key.gate else {}
    deleted, _ = JobKey.objects.filter(pk=key.pk).delete()
    if deleted:
        record(
            event(Action.KEY_REVOKED, task=key.task, actor=actor, key=key.pk, name=key.name, **said)
        )


def find(secret: str) -> JobKey:
    """The live key that `secret` is, with its gate; raises `KeyNotLive`. One query.

    Looked up by its keyed digest, so that how long it takes tells nothing about the keys there are.
    """
    if not secret.startswith((RUNNER, JOB)) or len(secret) > LONGEST:
        raise KeyNotLive
    keys = JobKey.objects.select_related("gate").annotate(now=Now())
    key = keys.filter(digest=digest(secret)).first()
    if key is None:
        raise KeyNotLive
    if key.expires_at and key.expires_at <= key.now:
        raise KeyNotLive("This key has expired. Issue another one on the task's page.")
    if key.last_used_at is None or key.now - key.last_used_at > USED_EVERY:
        JobKey.objects.filter(pk=key.pk).update(last_used_at=Now())
    return key


def is_live(key: JobKey, task: ApprovalTask) -> bool:
    """Whether `key` may (still) report on `task`; asked under the task's lock."""
    return JobKey.objects.filter(
        Q(expires_at__gt=Now()) | Q(expires_at=None), pk=key.pk, task=task
    ).exists()
