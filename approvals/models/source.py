"""Where messages enter."""

from django.db import models

from approvals.models.connection import Connection
from approvals.models.fields import is_address
from approvals.models.gate import Gate


class Source(models.Model):
    """One SQS queue, and which engine its messages' tokens belong to."""

    class Kind(models.TextChoices):
        SQS = "sqs", "Amazon SQS queue"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.SQS)
    enabled = models.BooleanField(default=True)
    connection = models.ForeignKey(
        Connection, models.PROTECT, help_text="The engine that waits for the answers."
    )
    gate = models.ForeignKey(
        Gate,
        models.PROTECT,
        null=True,
        blank=True,
        help_text="For messages that name no gate. Blank: those go to quarantine.",
    )
    queue_url = models.CharField("queue address", max_length=500, validators=[is_address])
    region = models.CharField(max_length=40, blank=True, help_text="Blank: the connection's.")
    endpoint_url = models.CharField(
        "endpoint address",
        max_length=500,
        blank=True,
        validators=[is_address],
        help_text="Only for emulators. Blank: the connection's.",
    )

    last_message_at = models.DateTimeField(null=True, editable=False)
    last_poll_at = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
