"""A person with an account; their roles are groups (approvals/people/roles.py)."""

import zoneinfo

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("zh-hans", "简体中文")]


def validate_time_zone(name: str) -> None:
    if name and name not in zoneinfo.available_timezones():
        raise ValidationError("That is not a time zone. Try for example Europe/Vienna.")


class User(AbstractUser):
    """Somebody who signs in. Whoever a gate names is a reviewer there."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the device"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    class Mails(models.TextChoices):
        AT_ONCE = "at_once", "At once"
        HOURLY = "hourly", "Every hour, together"
        DAILY = "daily", "Every morning, together"
        OFF = "off", "Never"

    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_time_zone],
        help_text="For example Europe/Vienna. Blank: the installation's.",
    )
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    shortcuts = models.BooleanField("keyboard shortcuts", default=True)

    language = models.CharField(
        max_length=10, choices=LANGUAGES, default="en", help_text="Of the mails."
    )
    mails = models.CharField("mails come", max_length=10, choices=Mails, default=Mails.AT_ONCE)
    # A mail to the address was refused; mails go on once the address has changed.
    mail_refused_at = models.DateTimeField(null=True, blank=True, editable=False)
    away_from = models.DateTimeField(null=True, blank=True)
    away_until = models.DateTimeField(null=True, blank=True)
    delegate = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="stands_in_for",
        help_text="Decides in their place while they are away, where a gate allows it.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            # Messages name requesters by email: it has to say one person.
            models.UniqueConstraint(
                models.functions.Lower("email"),
                name="user_email_unique",
                condition=~models.Q(email=""),
            )
        ]

    @property
    def is_away(self) -> bool:
        now = timezone.now()
        return (
            self.away_from is not None
            and self.away_from <= now
            and (self.away_until is None or now < self.away_until)
        )

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    def __str__(self) -> str:
        return self.display_name
