"""A task that waits for a program on somebody's own cluster instead of a person."""

from django.core.validators import MaxValueValidator
from django.db import models

from approvals.models.approval_task import ApprovalTask
from approvals.models.gate import Gate


class OutsideJob(models.Model):
    """How the job is doing, as it says itself; written by `outside_jobs/` alone."""

    task = models.OneToOneField(
        ApprovalTask, models.CASCADE, primary_key=True, related_name="outside_job"
    )
    gate = models.ForeignKey(Gate, models.PROTECT, db_index=False)
    claimed_at = models.DateTimeField(null=True)  # blank: nobody runs it yet
    claimed_by = models.CharField(max_length=100, blank=True)  # what the runner calls itself
    heard_at = models.DateTimeField(null=True)
    percent = models.PositiveSmallIntegerField(null=True, validators=[MaxValueValidator(100)])
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index(
                "gate", "task", name="job_unclaimed", condition=models.Q(claimed_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"Outside job of {self.task_id}"


class JobKey(models.Model):
    """What an outside job, or the runner that starts such jobs, shows to the API.

    A runner's key may claim the jobs of one gate; a job's key may report on one task, until it
    expires. Only a keyed digest is kept.
    """

    gate = models.ForeignKey(Gate, models.CASCADE, null=True, related_name="runner_keys")
    task = models.ForeignKey(ApprovalTask, models.CASCADE, null=True, related_name="job_keys")
    name = models.CharField(max_length=100, blank=True)
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(
                name="job_key_of_a_gate_or_a_task",
                condition=models.Q(gate__isnull=False, task__isnull=True)
                | models.Q(gate__isnull=True, task__isnull=False, expires_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.name or f"Key {self.pk}"
