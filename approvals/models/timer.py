"""What a gate does about a task if nobody has decided by then."""

from django.db import models

from approvals.models.approval_task import ApprovalTask


class Timer(models.Model):
    """Planned when a task comes to a stage. Deleted in the transaction of what it brings about."""

    class Kind(models.TextChoices):
        REMIND = "remind", "Remind"
        ESCALATE = "escalate", "Escalate"
        RUNNING_OUT = "running_out", "Say that time is running out"
        OVERDUE = "overdue", "What the gate does at its deadline"
        RETALLY = "retally", "Count again, since its gate or a team was changed"

    task = models.ForeignKey(ApprovalTask, models.CASCADE, related_name="timers")
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint("task", "kind", name="timer_once_per_kind")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.at}"
