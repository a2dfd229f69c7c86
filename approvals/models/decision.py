"""One reviewer's verdict on one task."""

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7

from approvals.models.approval_task import ApprovalTask
from approvals.states import Verdict


class Decision(models.Model):
    """Written by `decisions.decide` alone, never changed."""

    class Via(models.TextChoices):
        INBOX = "inbox", "Inbox"
        CARRIED_OVER = "carried", "Carried over"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.ForeignKey(ApprovalTask, models.PROTECT, related_name="decisions")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="decisions")
    verdict = models.CharField(max_length=10, choices=Verdict)
    comment = models.TextField(blank=True)
    via = models.CharField(max_length=10, choices=Via)
    # The decision on the task that this one's took the place of, where it counts here too.
    carried_from = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        ordering = ["decided_at"]
        constraints = [
            models.UniqueConstraint("task", "reviewer", name="decision_once_per_reviewer")
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.reviewer}"
