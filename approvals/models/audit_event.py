"""One line of the record; PostgreSQL itself refuses to change it (migration 0003)."""

from django.conf import settings
from django.db import models

from approvals.models.approval_task import ApprovalTask


class AuditEvent(models.Model):
    """Who did what, when, and to which task. Written by `audit.record` alone."""

    class Action(models.TextChoices):
        RECEIVED = "received", "Received"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        UNDONE = "undone", "Decision taken back"
        STAGE_PASSED = "stage_passed", "Stage passed"
        PAYLOAD_CHANGED = "payload_changed", "Payload changed"
        CLAIMED = "claimed", "Claimed"
        RELEASED = "released", "Released"
        HANDED_OVER = "handed_over", "Handed over"
        ASKED = "asked", "Colleague asked"
        ANSWERED = "answered", "Colleague answered"
        REMINDED = "reminded", "Reminded"
        ESCALATED = "escalated", "Escalated"
        OVERDUE = "overdue", "Gate's deadline passed"
        MAILED = "mailed", "Mailed"
        MAIL_REFUSED = "mail_refused", "Mail refused"
        AWAY = "away", "Absence changed"
        SETTLED = "settled", "Settled"
        ENDED = "ended", "Workflow ended"
        EXPIRED = "expired", "Time ran out"
        CANCELLED = "cancelled", "Cancelled"
        SUPERSEDED = "superseded", "Superseded by a retry"
        REPLACED = "replaced", "Took an older task's place"
        CARRIED_OVER = "carried_over", "Decision carried over"
        TIMES_READ = "times_read", "Times read from the definition"
        JOB_CLAIMED = "job_claimed", "Outside job claimed"
        JOB_SILENT = "job_silent", "Outside job silent"
        JOB_SUCCEEDED = "job_succeeded", "Outside job succeeded"
        JOB_FAILED = "job_failed", "Outside job failed"
        KEY_ISSUED = "key_issued", "Key issued"
        KEY_REVOKED = "key_revoked", "Key revoked"
        DELIVERED = "delivered", "Engine told"
        UNCONFIRMED = "unconfirmed", "Answer lost"
        DEAD = "dead", "Delivery failed"
        REPLAYED = "replayed", "Delivery replayed"
        SET_ASIDE = "set_aside", "Delivery set aside"
        QUARANTINED = "quarantined", "Message quarantined"
        QUARANTINE_REPLAYED = "quarantine_replayed", "Quarantined message replayed"
        QUARANTINE_DISCARDED = "quarantine_discarded", "Quarantined message discarded"
        CONFIGURED = "configured", "Configuration changed"
        SIGNED_IN = "signed_in", "Signed in"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=models.functions.Now())
    action = models.CharField(max_length=24, choices=Action)
    task = models.ForeignKey(
        ApprovalTask, models.PROTECT, null=True, related_name="audit_events", db_index=False
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    # The name at that time; blank: Countersign itself.
    actor_name = models.CharField(max_length=200, blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        # The ledger reads newest first by (at, id), whatever it is filtered by.
        indexes = [
            models.Index("task", "id", name="audit_of_task"),
            models.Index(
                "actor",
                "at",
                "id",
                name="audit_of_actor",
                condition=models.Q(actor__isnull=False),
            ),
            models.Index("action", "at", "id", name="audit_of_action"),
            models.Index("at", "id", name="audit_at"),
            models.Index(
                "at",
                "id",
                name="audit_pointed_out",
                condition=models.Q(data__has_key="pointed_out"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} #{self.pk}"
