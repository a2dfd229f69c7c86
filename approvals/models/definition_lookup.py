"""Tasks whose message did not say a state's times: they are read from its definition."""

from django.db import models

from approvals.models.approval_task import ApprovalTask
from approvals.models.connection import Connection


class DefinitionLookup(models.Model):
    """One row from arrival until the definition was read, or can't be. Narrow, and soon gone."""

    task = models.OneToOneField(ApprovalTask, models.CASCADE, primary_key=True)
    connection = models.ForeignKey(Connection, models.PROTECT, db_index=False)
    wants_heartbeat = models.BooleanField()
    wants_timeout = models.BooleanField()
    due_at = models.DateTimeField(db_default=models.functions.Now())
    failures = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index("due_at", name="definition_due")]

    def __str__(self) -> str:
        return f"Times of {self.task_id}"
