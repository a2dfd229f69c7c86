"""A person with an account; their roles are groups (approvals/people/roles.py)."""

import zoneinfo

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models


def validate_time_zone(name: str) -> None:
    if name and name not in zoneinfo.available_timezones():
        raise ValidationError("That is not a time zone. Try for example Europe/Vienna.")


class User(AbstractUser):
    """Somebody who signs in. Whoever a gate names is a reviewer there."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the device"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_time_zone],
        help_text="For example Europe/Vienna. Blank: the installation's.",
    )
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    shortcuts = models.BooleanField("keyboard shortcuts", default=True)

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
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    def __str__(self) -> str:
        return self.display_name
