"""When each waiting step is next told that we still wait: narrow, since written all the time."""

from django.db import models

from approvals.models.approval_task import ApprovalTask
from approvals.models.connection import Connection


class Heartbeat(models.Model):
    """One row while a step must be kept alive: from arrival until its engine has its answer.

    While a batch is in hand `due_at` is when its lease runs out, and the value itself the fence.
    """

    task = models.OneToOneField(ApprovalTask, models.CASCADE, primary_key=True)
    connection = models.ForeignKey(Connection, models.PROTECT, db_index=False)
    every = models.FloatField()  # seconds between two, before jitter
    due_at = models.DateTimeField(db_default=models.functions.Now())
    sent_at = models.DateTimeField(null=True)  # the last one that the engine took
    # A running outside job speaks for itself: not sent after this, unless it is heard of again.
    until = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index("due_at", name="heartbeat_due"),
            models.Index("until", name="heartbeat_until", condition=models.Q(until__isnull=False)),
            models.Index("due_at", name="heartbeat_error", condition=~models.Q(error="")),
        ]

    def __str__(self) -> str:
        return f"Heartbeat of {self.task_id}"
