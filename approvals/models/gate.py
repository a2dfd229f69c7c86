"""A named approval point with its policy."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from approvals.models.calendar import Calendar
from approvals.models.fields import OrderedJSONField
from approvals.models.review_rule import ReviewRule

# What an administrator has to say in so many words before silence approves.
SILENCE_APPROVES = "Silence approves what comes to this gate."


class Gate(ReviewRule):
    """Who reviews, how many must approve, what is asked, by when, what a rejection sends.

    Its own reviewers are its first stage; `stages` come after that.
    """

    class OnReject(models.TextChoices):
        FAILURE = "failure", "Fail the step with the error below"
        SUCCESS = "success", "Succeed with approved: false"

    class Kind(models.TextChoices):
        PEOPLE = "people", "People who decide"
        JOB = "job", "An outside job that reports"

    class Reason(models.TextChoices):
        NEVER = "never", "Never"
        REJECT = "reject", "On rejecting"
        APPROVE = "approve", "On approving"
        ALWAYS = "always", "Always"

    class HandOver(models.TextChoices):
        NOBODY = "nobody", "Nobody"
        REVIEWERS = "reviewers", "Other reviewers of this gate"
        ANYBODY = "anybody", "Anybody with an account"

    class AtDeadline(models.TextChoices):
        NOTHING = "nothing", "Nothing: it keeps waiting"
        REJECT = "reject", "Reject it"
        FAIL = "fail", "Fail the step"
        APPROVE = "approve", "Approve it, although nobody has looked"

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
    exclude_requester = models.BooleanField(
        "requester may not decide",
        default=False,
        help_text="Messages must then say who requested (requestedBy).",
    )
    own_reviewers = models.BooleanField(
        "messages may narrow the reviewers",
        default=False,
        help_text="To some of those named here, by “reviewers”: {“users”: […], “groups”: […]}. "
        "Where not, such messages go to quarantine.",
    )
    hand_over = models.CharField(
        "hand over and delegate to",
        max_length=10,
        choices=HandOver,
        default=HandOver.REVIEWERS,
        help_text="Whom a reviewer may hand a task to, or have stand in while away.",
    )

    reason = models.CharField(
        "a reason is required", max_length=10, choices=Reason, default=Reason.REJECT
    )
    form = OrderedJSONField(
        default=dict,
        blank=True,
        help_text="A JSON Schema (an object with flat properties) of what approving asks for. "
        "Blank: what the message brings, if anything.",
    )
    # [{"key", "label", "verdict", "output"?, "reason"?}]: see approvals/asked/choices.py
    choices = models.JSONField(
        default=list,
        blank=True,
        help_text="More than two ways to decide, each with its own output.",
    )
    editable = models.JSONField(
        "payload that may be changed",
        default=list,
        blank=True,
        help_text="JSON Pointers such as “/amount”, or “” for all of it.",
    )

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

    mails = models.BooleanField("reviewers are mailed", default=True)
    link_hours = models.PositiveSmallIntegerField(
        "links in mails live (hours)", default=72, validators=[MinValueValidator(1)]
    )
    link_alone_minutes = models.PositiveSmallIntegerField(
        "a link decides without sign-in for (min)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1_440)],
        help_text="The lesser protection: whoever gets hold of the mail can decide, once. "
        "Blank: a link always asks for the sign-in.",
    )
    undo_seconds = models.PositiveSmallIntegerField(
        "a decision can be undone for (s)",
        default=0,
        validators=[MaxValueValidator(600)],
        help_text="The workflow hears of it that much later; sooner where its deadline is near.",
    )

    calendar = models.ForeignKey(
        Calendar,
        models.PROTECT,
        null=True,
        blank=True,
        help_text="The times below count in its working hours. Blank: around the clock.",
    )
    remind_after_minutes = models.PositiveIntegerField(
        "remind after (min)", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    remind_every_minutes = models.PositiveIntegerField(
        "then every (min)", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    warn_before_minutes = models.PositiveIntegerField(
        "warn before time runs out (min)",
        null=True,
        blank=True,
        default=60,
        validators=[MinValueValidator(1)],
    )
    escalate_after_minutes = models.PositiveIntegerField(
        "escalate after (min)", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    escalate_to = models.ManyToManyField(
        "auth.Group",
        blank=True,
        related_name="escalations",
        help_text="Teams who may then decide too.",
    )
    decide_within_minutes = models.PositiveIntegerField(
        "to be decided within (min)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Blank: until shortly before the workflow's own deadline.",
    )
    at_deadline = models.CharField(
        "if nobody has by then", max_length=10, choices=AtDeadline, default=AtDeadline.NOTHING
    )
    silence = models.CharField(
        "approving by silence",
        max_length=60,
        blank=True,
        help_text=f"To have silence approve, write here: {SILENCE_APPROVES}",
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

    class Meta(ReviewRule.Meta):
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
