"""Where messages enter."""

import re

from django.contrib.postgres.functions import RandomUUID
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from approvals.engines.credentials import is_free_header
from approvals.intake.mapping import problems_with
from approvals.models.connection import Connection
from approvals.models.fields import is_address
from approvals.models.gate import Gate


class Source(models.Model):
    """One queue that is polled or one address that is called, and which engine its messages'
    tokens belong to."""

    class Kind(models.TextChoices):
        SQS = "sqs", "Amazon SQS queue"
        MNS = "mns", "Alibaba Cloud MNS (SMQ) queue"
        WEBHOOK = "webhook", "Webhook"
        SNS = "sns", "Amazon SNS topic over HTTPS"

    class Auth(models.TextChoices):
        """How callers of an address prove who they are."""

        HMAC = "hmac", "HMAC signature (Standard Webhooks)"
        BEARER = "bearer", "Bearer key"
        BASIC = "basic", "Basic: user name and password"
        API_KEY = "api_key", "API key in a header"
        OAUTH = "oauth", "OAuth 2 client credentials"
        SNS = "sns", "Signature of Amazon SNS"

    CALLED = (Kind.WEBHOOK, Kind.SNS)

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
    mapping = models.JSONField(
        default=dict,
        blank=True,
        help_text="JMESPath expressions for messages of another shape, by field: "
        '{"token": "detail.callback.token"}.',
    )

    tells_of_executions = models.BooleanField(
        "tells which executions ended",
        default=False,
        help_text="Believe its events “Step Functions Execution Status Change”, which retire tasks "
        "of the whole connection. Tick it only where nobody but EventBridge can send them.",
    )

    # Queues
    queue_url = models.CharField(
        "queue address", max_length=500, blank=True, validators=[is_address]
    )
    region = models.CharField(max_length=40, blank=True, help_text="Blank: the connection's.")
    endpoint_url = models.CharField(
        "endpoint address",
        max_length=500,
        blank=True,
        validators=[is_address],
        help_text="Only for emulators. Blank: the connection's.",
    )

    # Addresses
    address = models.UUIDField(db_default=RandomUUID(), unique=True, editable=False)
    auth = models.CharField("callers show", max_length=10, choices=Auth, default=Auth.HMAC)
    header_name = models.CharField(
        max_length=60, default="X-API-Key", help_text="Where an API key stands."
    )
    topic_arns = models.TextField(
        "topics", blank=True, help_text="The ARNs of the SNS topics that may send, one a line."
    )

    silent_after = models.PositiveIntegerField(
        "silent after (hours)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Operations says so when no message came for so long. Blank: never.",
    )

    created_at = models.DateTimeField(db_default=models.functions.Now(), editable=False)
    last_message_at = models.DateTimeField(null=True, editable=False)
    last_poll_at = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_called(self) -> bool:
        return self.kind in self.CALLED

    def clean(self) -> None:
        """What each kind can't do without, and a mapping that can be followed."""
        if problems := problems_with(self.mapping):
            said = [f"{field}: {text}" if field else text for field, text in problems.items()]
            raise ValidationError({"mapping": said})
        if not self.is_called and not self.queue_url:
            raise ValidationError({"queue_url": "Give the queue's address."})
        if self.kind == self.Kind.SNS:
            if self.auth not in (self.Auth.SNS, self.Auth.BASIC):
                raise ValidationError({"auth": "SNS shows its signature, or a Basic password."})
            if not self.topic_arns.split():
                raise ValidationError({"topic_arns": "Name the topics that may send."})
        elif self.is_called and self.auth == self.Auth.SNS:
            raise ValidationError({"auth": "Only an SNS topic shows the signature of SNS."})
        elif self.is_called and self.auth == self.Auth.API_KEY and not self._takes_a_key():
            words = "Name a free header of letters, digits and dashes, such as X-API-Key."
            raise ValidationError({"header_name": words})

    def _takes_a_key(self) -> bool:
        """Whether a key can come in the header of this name: web servers drop underscores."""
        plain = re.fullmatch(r"[A-Za-z0-9-]+", self.header_name)
        return bool(plain) and is_free_header(self.header_name)
