"""How to reach an engine."""

from django.db import models

from approvals.engines.base import EngineConfig
from approvals.engines.registry import KINDS


class Connection(models.Model):
    """One engine in one account and region. Credentials come from the process' own AWS identity."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField("engine", max_length=30, choices=KINDS, default="step_functions")
    region = models.CharField(max_length=40, blank=True, help_text="For example eu-west-1.")
    endpoint_url = models.URLField(
        "endpoint address", blank=True, help_text="Only for emulators and private endpoints."
    )
    role_arn = models.CharField(
        "role to assume", max_length=2048, blank=True, help_text="Blank: the process' own identity."
    )
    external_id = models.CharField(max_length=1224, blank=True)
    probe_seconds = models.PositiveIntegerField(
        "liveness check every (s)",
        null=True,
        blank=True,
        default=300,
        help_text="Steps without HeartbeatSeconds are asked this often whether they still wait, "
        "so that a workflow that has ended leaves the inbox. Blank: never.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def config(self) -> EngineConfig:
        return EngineConfig(
            kind=self.kind,
            region=self.region,
            endpoint_url=self.endpoint_url,
            role_arn=self.role_arn,
            external_id=self.external_id,
        )
