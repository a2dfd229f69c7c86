"""What a reviewer asked a colleague about a task, and the answer."""

from django.conf import settings
from django.db import models

from approvals.models.approval_task import ApprovalTask


class Question(models.Model):
    """Whoever is asked may see the task and answer; they decide nothing by that."""

    task = models.ForeignKey(ApprovalTask, models.CASCADE, related_name="questions")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="questions")
    text = models.TextField()
    asked_at = models.DateTimeField(db_default=models.functions.Now())
    answer = models.TextField(blank=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["asked_at", "id"]

    def __str__(self) -> str:
        return self.text
