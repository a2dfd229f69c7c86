"""Messages that could not be understood: kept whole, shown masked, replayable."""

from django.db import models
from uuid_utils.compat import uuid7

from approvals.models.approval_task import ApprovalTask
from approvals.models.source import Source


class QuarantinedMessage(models.Model):
    """The body is encrypted, since a token may be in it; `shown` is its masked beginning."""

    class Status(models.TextChoices):
        HELD = "held", "Held"
        REPLAYED = "replayed", "Replayed"
        DISCARDED = "discarded", "Discarded"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(Source, models.PROTECT, related_name="quarantine")
    status = models.CharField(max_length=10, choices=Status, default=Status.HELD)
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=500)
    body_ciphertext = models.BinaryField()
    body_digest = models.BinaryField(max_length=32)
    shown = models.TextField(blank=True)
    received_at = models.DateTimeField(db_default=models.functions.Now())
    task = models.ForeignKey(ApprovalTask, models.PROTECT, null=True, related_name="+")
    discard_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-received_at"]
        indexes = [
            models.Index(
                "received_at", "id", name="quarantine_held", condition=models.Q(status="held")
            )
        ]
        constraints = [
            # A redelivery of the same body adds nothing.
            models.UniqueConstraint("source", "body_digest", name="quarantine_once")
        ]

    def __str__(self) -> str:
        return f"{self.code} from {self.source}"
