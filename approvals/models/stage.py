"""What comes after a gate's first reviewers: others, in order."""

from django.db import models

from approvals.models.gate import Gate
from approvals.models.review_rule import ReviewRule


class Stage(ReviewRule):
    """A gate is its own stage 0; each row here is a later one, reached when that before passed."""

    gate = models.ForeignKey(Gate, models.CASCADE, related_name="stages")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100)

    class Meta(ReviewRule.Meta):
        ordering = ["gate", "position"]
        constraints = [
            *ReviewRule.Meta.constraints,
            models.UniqueConstraint("gate", "position", name="stage_position_of_gate"),
            models.CheckConstraint(
                condition=models.Q(position__gte=1), name="stage_position_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name
