"""What callers of a source's address show."""

from django.db import models

from approvals.models.source import Source


class SourceKey(models.Model):
    """At most two live ones a source, so that one can be replaced without a gap.

    Encrypted rather than hashed, since a signature is checked with the secret itself. Made, shown
    once and revoked by `intake.keys` alone.
    """

    LIVE = 2

    source = models.ForeignKey(Source, models.CASCADE, related_name="keys")
    # Basic's user name, OAuth's client id; no secret.
    key_id = models.CharField(max_length=40, unique=True)
    secret_ciphertext = models.BinaryField()
    created_at = models.DateTimeField(db_default=models.functions.Now())
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at", "pk"]

    def __str__(self) -> str:
        return self.key_id
