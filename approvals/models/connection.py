"""How to reach an engine."""

from django.db import models

from approvals.engines.base import EngineConfig
from approvals.engines.registry import KINDS
from approvals.models.fields import is_address


class Connection(models.Model):
    """One engine in one account and region. Credentials come from the process' own AWS identity."""

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
        return EngineConfig(self.kind, self.region, self.endpoint_url)
