"""One reviewer's verdict on one task."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from uuid_utils.compat import uuid7

from approvals.models.approval_task import ApprovalTask
from approvals.models.fields import OrderedJSONField
from approvals.states import Verdict


class DecisionQuerySet(models.QuerySet["Decision"]):
    def standing(self) -> "DecisionQuerySet":
        """Those that count: not taken back."""
        return self.filter(withdrawn_at=None)


class Decision(models.Model):
    """Written by `decisions.decide` alone, and never changed but for being taken back."""

    class Via(models.TextChoices):
        INBOX = "inbox", "Inbox"
        LINK = "link", "Link in a mail"
        BULK = "bulk", "Several at once"
        ADMIN = "admin", "Administration"
        CARRIED_OVER = "carried", "Carried over"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.ForeignKey(ApprovalTask, models.PROTECT, related_name="decisions")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="decisions")
    verdict = models.CharField(max_length=10, choices=Verdict)
    choice = models.CharField(max_length=60, blank=True, db_default="")
    comment = models.TextField(blank=True)
    form = OrderedJSONField(null=True)  # what was filled in, by property
    # [{"path", "before", "after"}], where the payload was changed with this decision
    edits = models.JSONField(default=list, db_default=[])

    # Whose place at which stage it was, and for which of its teams that counts (null: for all).
    stage = models.PositiveSmallIntegerField(default=0, db_default=0)
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    for_groups = ArrayField(models.IntegerField(), null=True)

    # How long the task had been open before the reviewer, where that is known.
    read_seconds = models.FloatField(null=True)
    # What is pointed out about it to auditors: approvals/decisions/guard.py
    pointed_out = models.JSONField(default=dict, db_default={})
    batch = models.UUIDField(null=True)  # decided together
    via = models.CharField(max_length=10, choices=Via)
    # The decision on the task that this one's took the place of, where it counts here too.
    carried_from = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(db_default=models.functions.Now())
    withdrawn_at = models.DateTimeField(null=True)

    objects = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["decided_at"]
        constraints = [
            models.UniqueConstraint(
                "task",
                "reviewer",
                name="decision_once_per_reviewer",
                condition=models.Q(withdrawn_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.reviewer}"
