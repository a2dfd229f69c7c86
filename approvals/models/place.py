"""Somebody's place at one task, which the gate alone would not give them."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from approvals.models.approval_task import ApprovalTask


class Place(models.Model):
    """Counts for deciding while `is_open`: as long as its task is pending, and at one stage.
    For seeing the task it counts for good."""

    class Why(models.TextChoices):
        # The message says who may decide; nobody else whom the gate names may (`is_narrowed`).
        NAMED = "named", "Named by the message"
        # Somebody gave their own place away, and has it no more (`stands_for`).
        HANDED = "handed", "Handed over"
        ESCALATED = "escalated", "Escalated"

    task = models.ForeignKey(ApprovalTask, models.CASCADE, related_name="places")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", db_index=False
    )
    group = models.ForeignKey(
        "auth.Group", models.CASCADE, null=True, related_name="+", db_index=False
    )
    why = models.CharField(max_length=10, choices=Why)
    stands_for = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", db_index=False
    )
    # The teams for which a handed place counts (`people.eligibility.Seat`).
    for_groups = ArrayField(models.IntegerField(), null=True)
    is_open = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        # What the inbox asks: which open places are mine, or stand for me.
        indexes = [
            models.Index("user", name="place_of_user", condition=models.Q(is_open=True)),
            models.Index("group", name="place_of_group", condition=models.Q(is_open=True)),
            models.Index("stands_for", name="place_given_by", condition=models.Q(is_open=True)),
        ]
        constraints = [
            models.CheckConstraint(
                name="place_of_a_user_or_a_group",
                condition=models.Q(user__isnull=False, group__isnull=True)
                | models.Q(user__isnull=True, group__isnull=False),
            ),
            models.UniqueConstraint(
                "task",
                "stands_for",
                name="place_handed_once",
                condition=models.Q(why="handed", is_open=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_why_display()}: {self.user or self.group}"
