"""How to reach an engine."""

import re

from django.core.exceptions import ValidationError
from django.db import models

from approvals.engines.addresses import read_entry
from approvals.engines.base import EngineConfig
from approvals.engines.credentials import is_free_header
from approvals.engines.registry import KINDS
from approvals.models.fields import is_address

ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)


class Connection(models.Model):
    """One engine in one account and region, or the hosts that take callbacks by URL.

    Where nothing else is given, credentials are the process' own cloud identity.
    """

    class Auth(models.TextChoices):
        NONE = "none", "None: the address itself is the secret"
        BEARER = "bearer", "Bearer token"
        HEADER = "header", "A header of its own"
        GOOGLE = "google", "Google service account"
        OAUTH = "oauth", "OAuth 2 client credentials"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField("engine", max_length=30, choices=KINDS, default="step_functions")
    region = models.CharField(max_length=40, blank=True, help_text="For example eu-west-1.")
    endpoint_url = models.CharField(
        "endpoint address",
        max_length=500,
        blank=True,
        validators=[is_address],
        help_text="Only for emulators and private endpoints.",
    )

    # Step Functions
    role_arn = models.CharField(
        "role to assume",
        max_length=200,
        blank=True,
        help_text="Its ARN, for another account. Blank: the identity that Countersign runs with.",
    )
    external_id = models.CharField(
        max_length=200, blank=True, help_text="What the role's trust policy asks for."
    )

    # Callback URL
    hosts = models.TextField(
        blank=True,
        help_text="One a line: workflowexecutions.googleapis.com, or *.logic.azure.com for all "
        "below it. Answers and credentials go nowhere else.",
    )
    auth = models.CharField("credential", max_length=10, choices=Auth, default=Auth.NONE)
    header_name = models.CharField(max_length=60, blank=True)
    token_url = models.CharField(
        "token address", max_length=500, blank=True, help_text="Where OAuth tokens come from."
    )
    scope = models.CharField(max_length=300, blank=True)

    # CloudFlow and OAuth
    key_id = models.CharField(
        "access key id or client id",
        max_length=200,
        blank=True,
        help_text="CloudFlow: blank for the identity that Countersign runs with.",
    )
    secret_ciphertext = models.BinaryField(default=b"", blank=True)

    probe_seconds = models.PositiveIntegerField(
        "liveness check every (s)",
        null=True,
        blank=True,
        default=300,
        help_text="Steps without HeartbeatSeconds are asked this often whether they still wait, "
        "so that a workflow that has ended leaves the inbox. Blank: never.",
    )
    reads_definitions = models.BooleanField(
        "read times from definitions",
        default=True,
        help_text="Where a message says neither HeartbeatSeconds nor TimeoutSeconds, ask Step "
        "Functions for the state's (states:DescribeStateMachineForExecution).",
    )
    # Up to when the quota is spent, for engines that allow few calls (callbacks/pace.py).
    paced_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.role_arn and not ROLE_ARN.fullmatch(self.role_arn):
            raise ValidationError(
                {"role_arn": "Give the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME."}
            )
        if self.kind == "callback_url" and not self.hosts.split():
            raise ValidationError({"hosts": "Name the hosts that answers may go to."})
        if self.kind == "callback_url":
            self._clean_callback_url()

    def _clean_callback_url(self) -> None:
        if problems := [p for line in self.hosts.split() if isinstance(p := read_entry(line), str)]:
            raise ValidationError({"hosts": problems})
        if self.auth == self.Auth.HEADER and not is_free_header(self.header_name):
            raise ValidationError({"header_name": "Name a header that is free, such as X-API-Key."})
        if self.auth == self.Auth.OAUTH and not (self.token_url and self.key_id):
            raise ValidationError({"token_url": "Give the token address and the client id."})

    @property
    def config(self) -> EngineConfig:
        return EngineConfig(
            kind=self.kind,
            region=self.region,
            endpoint_url=self.endpoint_url,
            role_arn=self.role_arn,
            external_id=self.external_id,
            hosts=tuple(self.hosts.lower().split()),
            auth=self.auth,
            header_name=self.header_name,
            token_url=self.token_url,
            scope=self.scope,
            key_id=self.key_id,
            secret=bytes(self.secret_ciphertext),
        )
