"""What people are told by mail: what happened, whom it concerns, and the mail that says it."""

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7

from approvals.models.approval_task import ApprovalTask


class Occasion(models.Model):
    """Something that people are to be told about; written in the transaction in which it happens.

    Whom it concerns is found out later (`notices.audience`), and the row then goes: one for a
    task, however many reviewers there are.
    """

    class Kind(models.TextChoices):
        ARRIVED = "arrived", "A task came to their stage"
        HANDED_OVER = "handed_over", "A task was handed to them"
        MOVED = "moved", "A colleague has their task now"
        REMINDED = "reminded", "A task still waits"
        RUNNING_OUT = "running_out", "A task is about to run out"
        ESCALATED = "escalated", "A task was escalated to them"
        ASKED = "asked", "A colleague asks them"
        ANSWERED = "answered", "A colleague answered"
        SETTLED = "settled", "A task is settled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=12, choices=Kind)
    task = models.ForeignKey(ApprovalTask, models.CASCADE, related_name="+", db_index=False)
    # Who did it, and so need not be told; whom it concerns, where that is one person.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", db_index=False
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", db_index=False
    )
    stage = models.PositiveSmallIntegerField(default=0)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        indexes = [models.Index("at", "id", name="occasion_at")]

    def __str__(self) -> str:
        return self.get_kind_display()


class Mail(models.Model):
    """One mail to one person: an outbox by lease and fencing number, as `Callback` is.

    Holds no body: that is written for each try from its notices, and its links' secrets are
    derived again each time, so that none of them is stored.
    """

    class Status(models.TextChoices):
        DUE = "due", "Due"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        BOUNCED = "bounced", "Bounced"  # the address is refused
        DEAD = "dead", "Not sent"  # tried too often
        DROPPED = "dropped", "Not needed any more"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="mails_sent", db_index=False
    )
    address = models.CharField(max_length=254)
    subject = models.CharField(max_length=300, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.DUE)
    due_at = models.DateTimeField(db_default=models.functions.Now())
    fence = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)
    provider_id = models.CharField(max_length=200, blank=True)  # what a bounce names
    created_at = models.DateTimeField(db_default=models.functions.Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                "due_at", name="mail_due", condition=models.Q(status__in=["due", "sending"])
            ),
            models.Index(
                "created_at",
                name="mail_stuck",
                condition=models.Q(status__in=["bounced", "dead"]),
            ),
            models.Index("provider_id", name="mail_provider", condition=~models.Q(provider_id="")),
            # How many somebody got lately.
            models.Index("person", "created_at", name="mail_of_person"),
            # What goes long after, and when the last one went out.
            models.Index(
                "created_at",
                name="mail_done",
                condition=models.Q(status__in=["sent", "dropped"]),
            ),
        ]

    def __str__(self) -> str:
        return self.subject or f"Mail {self.pk}"


class Notice(models.Model):
    """That one person is told of one occasion, once: by a mail of its own or in a digest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Of the occasion, which is gone by then: the pair is why nobody is told twice.
    occasion_id = models.UUIDField()
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices", db_index=False
    )
    task = models.ForeignKey(ApprovalTask, models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=12, choices=Occasion.Kind)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    # When it is to be put into a mail: now, or with the person's next digest.
    due_at = models.DateTimeField()
    mail = models.ForeignKey(Mail, models.SET_NULL, null=True, related_name="notices")

    class Meta:
        constraints = [
            models.UniqueConstraint("occasion_id", "person", name="notice_once"),
        ]
        indexes = [
            models.Index(
                "due_at", "person", name="notice_due", condition=models.Q(mail__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.person}"


class Link(models.Model):
    """The address in a mail, for one task and one person; only a digest of it is stored.

    Whether it still lives is asked when it is opened: the task may be settled, the person may
    have nothing to decide there any more.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    task = models.ForeignKey(ApprovalTask, models.CASCADE, related_name="links_sent")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=models.functions.Now())
    expires_at = models.DateTimeField()
    # Until then it decides without a sign-in, where its gate allows that.
    alone_until = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index("expires_at", name="link_expires")]

    def __str__(self) -> str:
        return f"Link for {self.person}"
