"""A named approval point with its policy."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models


class Gate(models.Model):
    """Who reviews, how many must approve, what is asked, what a rejection sends."""

    class OnReject(models.TextChoices):
        FAILURE = "failure", "Fail the step with the error below"
        SUCCESS = "success", "Succeed with approved: false"

    class Kind(models.TextChoices):
        PEOPLE = "people", "People who decide"
        JOB = "job", "An outside job that reports"

    slug = models.SlugField(
        max_length=60, unique=True, help_text="What a message calls it: “gate”: “refunds”."
    )
    name = models.CharField(max_length=100)
    description = models.CharField(
        max_length=300, blank=True, help_text="Shown to reviewers: what to look at."
    )

    kind = models.CharField(
        "waits for",
        max_length=10,
        choices=Kind,
        default=Kind.PEOPLE,
        help_text="At a gate for outside jobs the reviewers may settle by hand what a job can't.",
    )
    groups = models.ManyToManyField(
        "auth.Group", blank=True, related_name="gates", help_text="Teams whose members review."
    )
    users = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="gates",
        help_text="Reviewers named one by one.",
    )
    quorum = models.PositiveSmallIntegerField(
        "approvals required", default=1, validators=[MinValueValidator(1)]
    )
    exclude_requester = models.BooleanField(
        "requester may not decide",
        default=False,
        help_text="Messages must then say who requested (requestedBy).",
    )
    reason_required = models.BooleanField("rejecting needs a reason", default=True)

    approve_label = models.CharField(max_length=30, default="Approve")
    reject_label = models.CharField(max_length=30, default="Reject")

    on_reject = models.CharField(
        "a rejection", max_length=10, choices=OnReject, default=OnReject.FAILURE
    )
    reject_error = models.CharField(
        "error name", max_length=256, default="Rejected", help_text="What a Catch names."
    )
    output_key = models.CharField(
        "wrap output under",
        max_length=60,
        blank=True,
        help_text="For definitions that read one key, such as "
        "“OutputPath”: “$.Payload”. Blank: the output as it is.",
    )

    heartbeat_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="The state's HeartbeatSeconds, where messages do not say.",
    )
    timeout_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="The state's TimeoutSeconds, where messages do not say.",
    )

    carries_over = models.BooleanField(
        "decisions carry over to a retry",
        default=False,
        help_text="When the workflow asks anew with an unchanged payload, what was decided counts.",
    )
    job_silence_seconds = models.PositiveIntegerField(
        "a job is silent after (s)",
        default=300,
        validators=[MinValueValidator(1)],
        help_text="A running job that reports nothing for so long is no longer kept alive.",
    )
    job_key_hours = models.PositiveIntegerField(
        "a job's key lives (hours)", default=24, validators=[MinValueValidator(1)]
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(quorum__gte=1), name="gate_quorum_positive")
        ]

    def __str__(self) -> str:
        return self.name
