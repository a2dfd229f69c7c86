"""One piece of work that waits for people."""

import datetime as dt

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models.functions import Coalesce, Least
from uuid_utils.compat import uuid7

from approvals.engines.base import Step
from approvals.models.connection import Connection
from approvals.models.fields import OrderedJSONField
from approvals.models.gate import Gate
from approvals.models.source import Source
from approvals.states import TASK_TRANSITIONS, TaskStatus
from approvals.tokens import TaskToken, decrypt

# Sorts tasks without a deadline behind all others, so that one index serves the inbox.
NO_DEADLINE = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


class ApprovalTaskQuerySet(models.QuerySet["ApprovalTask"]):
    def pending(self) -> "ApprovalTaskQuerySet":
        return self.filter(status=TaskStatus.PENDING)

    def without_secrets(self) -> "ApprovalTaskQuerySet":
        """Pages never load the ciphertext, nor what only the database needs."""
        return self.defer("token_ciphertext", "token_digest", "search")


class ApprovalTask(models.Model):
    """What is asked, by which step of which execution, until when, and how it was settled.

    Created by `intake.accept` alone; `status` is changed by `decisions/` alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    status = models.CharField(max_length=12, choices=TaskStatus, default=TaskStatus.PENDING)
    gate = models.ForeignKey(Gate, models.PROTECT, db_index=False)
    source = models.ForeignKey(Source, models.PROTECT, db_index=False)
    connection = models.ForeignKey(Connection, models.PROTECT, db_index=False)

    token_ciphertext = models.BinaryField()
    token_digest = models.BinaryField(max_length=32, unique=True)

    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    payload = OrderedJSONField(null=True)  # the message's input, the token masked
    links = models.JSONField(default=list)  # [{"title": str, "url": str}]
    requested_by = models.CharField(max_length=254, blank=True)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )

    workflow = models.CharField(max_length=200, blank=True)
    workflow_id = models.CharField(max_length=500, blank=True)
    execution_name = models.CharField(max_length=200, blank=True)
    execution_id = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=200, blank=True)
    entered_at = models.DateTimeField(null=True)  # the state, by the engine's or queue's clock
    # Of the state; each retry has a new token.
    retry_count = models.PositiveIntegerField(default=0, db_default=0)
    dedupe_key = models.CharField(max_length=200, blank=True)

    received_at = models.DateTimeField(db_default=models.functions.Now())
    heartbeat_seconds = models.PositiveIntegerField(null=True)
    deadline = models.DateTimeField(null=True)
    sort_deadline = models.GeneratedField(
        # The sooner of both; PostgreSQL's LEAST passes over what is null.
        expression=Coalesce(Least("deadline", "decide_by"), models.Value(NO_DEADLINE)),
        output_field=models.DateTimeField(),
        db_persist=True,
    )
    # When to ask the engine whether time has really run out (decisions/expire.py).
    expiry_due_at = models.DateTimeField(null=True)

    # Where its gate has several stages; `approvals` and `required` are those of this one.
    stage = models.PositiveSmallIntegerField(default=0, db_default=0)
    approvals = models.PositiveSmallIntegerField(default=0)
    required = models.PositiveSmallIntegerField(default=1, db_default=1)
    # Only those whom a `Place` names may decide, of all whom the gate names.
    is_narrowed = models.BooleanField(default=False, db_default=False)
    has_places = models.BooleanField(default=False, db_default=False)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    claimed_at = models.DateTimeField(null=True)
    escalated_at = models.DateTimeField(null=True)
    # By when its gate wants it decided (`Timer`), before the engine's deadline.
    decide_by = models.DateTimeField(null=True)
    # What the message brings of its own, where the gate asks for nothing.
    form = OrderedJSONField(null=True)
    choices = models.JSONField(default=list, db_default=[])
    # The payload as a reviewer changed it; `payload` stays what came.
    edited_payload = OrderedJSONField(null=True)

    # Decided, but it can still be undone: when the outcome becomes final.
    settles_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    # Why it ended without a decision, in words for people.
    settled_reason = models.CharField(max_length=300, blank=True)
    settled_choice = models.CharField(max_length=60, blank=True, db_default="")

    search = models.GeneratedField(
        expression=SearchVector(
            "title", "workflow", "execution_name", "requested_by", config="simple"
        ),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = ApprovalTaskQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                "gate",
                "stage",
                "is_narrowed",
                "sort_deadline",
                "id",
                name="task_inbox",
                condition=models.Q(status=TaskStatus.PENDING),
            ),
            models.Index(
                "settles_at",
                name="task_settles",
                condition=models.Q(status=TaskStatus.PENDING, settles_at__isnull=False),
            ),
            models.Index(
                "gate",
                models.F("settled_at").desc(),
                models.F("id").desc(),
                name="task_done",
                condition=models.Q(settled_at__isnull=False),
            ),
            models.Index(
                "expiry_due_at",
                name="task_expiry",
                condition=models.Q(status=TaskStatus.PENDING),
            ),
            # Whose workflow ended, and what a retry takes the place of.
            models.Index(
                "execution_id", name="task_execution", condition=~models.Q(execution_id="")
            ),
            models.Index(
                "source", "dedupe_key", name="task_dedupe", condition=~models.Q(dedupe_key="")
            ),
            GinIndex("search", name="task_search"),
        ]
        constraints = [
            models.CheckConstraint(
                name="task_settled_when_not_pending",
                condition=models.Q(status=TaskStatus.PENDING, settled_at__isnull=True)
                | (~models.Q(status=TaskStatus.PENDING) & models.Q(settled_at__isnull=False)),
            )
        ]
        triggers = [
            pgtrigger.FSM(
                name="task_transitions",
                field="status",
                transitions=[(a, b) for a, targets in TASK_TRANSITIONS.items() for b in targets],
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def runs_out_at(self) -> dt.datetime | None:
        """When nobody can decide any more: by the gate's will or the engine's."""
        return min((at for at in (self.decide_by, self.deadline) if at), default=None)

    @property
    def is_pending(self) -> bool:
        return self.status == TaskStatus.PENDING

    @property
    def token(self) -> TaskToken:
        return TaskToken(decrypt(self.token_ciphertext))

    @property
    def step(self) -> Step:
        """Where an engine looks up what became of it; loads the token."""
        return Step(self.execution_id, self.state, self.token)
