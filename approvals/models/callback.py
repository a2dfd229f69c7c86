"""The outbox: the answer that an engine is owed, and every try at handing it over."""

import pgtrigger
from django.db import models
from uuid_utils.compat import uuid7

from approvals.models.approval_task import ApprovalTask
from approvals.states import CALLBACK_TRANSITIONS, AttemptResult, CallbackStatus


class Callback(models.Model):
    """At most one a task. `status` is changed by `callbacks/` alone.

    Whoever sends holds the lease (`due_at` is then when it runs out) and writes its result only
    where `fence` is still the number it was given.
    """

    class Kind(models.TextChoices):
        SUCCESS = "success", "Success"
        FAILURE = "failure", "Failure"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.OneToOneField(ApprovalTask, models.PROTECT, related_name="callback")
    kind = models.CharField(max_length=10, choices=Kind)
    output = models.TextField(blank=True)  # JSON text, exactly as it is sent
    error = models.CharField(max_length=256, blank=True)
    cause = models.TextField(blank=True)
    decision_id = models.UUIDField()  # is in output or cause: how history tells our answer

    status = models.CharField(max_length=12, choices=CallbackStatus, default=CallbackStatus.DUE)
    due_at = models.DateTimeField(db_default=models.functions.Now())
    fence = models.PositiveIntegerField(default=0)
    # Consecutive failures since the last replay: what the backoff counts.
    failures = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    delivered_at = models.DateTimeField(null=True)
    # An operator has seen that nothing can be done about it any more.
    set_aside_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                "due_at",
                name="callback_due",
                condition=models.Q(
                    status__in=[
                        CallbackStatus.DUE,
                        CallbackStatus.SENDING,
                        CallbackStatus.UNCONFIRMED,
                    ]
                ),
            ),
            models.Index(
                "created_at",
                "id",
                name="callback_stuck",
                condition=models.Q(
                    status__in=[CallbackStatus.UNCONFIRMED, CallbackStatus.DEAD],
                    set_aside_at__isnull=True,
                ),
            ),
        ]
        triggers = [
            pgtrigger.FSM(
                name="callback_transitions",
                field="status",
                transitions=[
                    (a, b) for a, targets in CALLBACK_TRANSITIONS.items() for b in targets
                ],
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.task_id}"


class Attempt(models.Model):
    """One try at one callback, written before the call."""

    callback = models.ForeignKey(Callback, models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()  # the callback's fence at that time
    started_at = models.DateTimeField(db_default=models.functions.Now())
    finished_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=12, choices=AttemptResult, default=AttemptResult.STARTED)
    code = models.CharField(max_length=100, blank=True)  # the engine's own word
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint("callback", "number", name="attempt_number_once")]

    def __str__(self) -> str:
        return f"Attempt {self.number}: {self.get_result_display()}"
