"""Executions that the engine says have ended, for tasks whose message comes after that word."""

from django.db import models

from approvals.models.connection import Connection


class EndedExecution(models.Model):
    """The engine's newest word on an execution that has ended, or was driven again after that.
    Kept as long as a queue can hold a message back, then swept."""

    connection = models.ForeignKey(Connection, models.CASCADE, db_index=False)
    execution_id = models.CharField(max_length=500)
    status = models.CharField(max_length=20)  # the engine's own word: ABORTED, RUNNING, …
    ended_at = models.DateTimeField()  # the engine's
    received_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        indexes = [models.Index("received_at", name="ended_received")]
        constraints = [
            models.UniqueConstraint("connection", "execution_id", name="ended_execution_once")
        ]

    def __str__(self) -> str:
        return f"{self.execution_id}: {self.status}"
