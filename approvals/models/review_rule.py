"""Who reviews at one stage of a gate, and what passes it: what `Gate` and `Stage` share."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models


class ReviewRule(models.Model):
    class Needs(models.TextChoices):
        COUNT = "count", "So many approvals, whoever gives them"
        EACH_GROUP = "each", "So many approvals from each team"
        MAJORITY = "majority", "More than half of the reviewers"

    groups = models.ManyToManyField(
        "auth.Group",
        blank=True,
        related_name="%(class)ss",
        help_text="Teams whose members review.",
    )
    users = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="%(class)ss",
        help_text="Reviewers named one by one.",
    )
    needs = models.CharField("passes with", max_length=10, choices=Needs, default=Needs.COUNT)
    quorum = models.PositiveSmallIntegerField(
        "approvals required",
        default=1,
        validators=[MinValueValidator(1)],
        help_text="In all, or of each team. A majority counts by itself.",
    )
    veto = models.BooleanField(
        "one rejection rejects",
        default=True,
        help_text="Otherwise it is rejected once the approvals can't be reached any more.",
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quorum__gte=1), name="%(class)s_quorum_positive"
            )
        ]
