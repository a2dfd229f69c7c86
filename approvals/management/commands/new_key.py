"""Operating: `manage.py new_key` prints fresh keys as lines for an env file. Touches nothing."""

import secrets
from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = (
        "Print fresh values for SECRET_KEY, TOKEN_KEYS and TOKEN_DIGEST_KEY. To rotate, put the "
        "new token key in front of the old ones, then run rotate_token_keys."
    )
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"SECRET_KEY={secrets.token_urlsafe(50)}")
        self.stdout.write(f"TOKEN_KEYS={Fernet.generate_key().decode()}")
        self.stdout.write(f"TOKEN_DIGEST_KEY={secrets.token_urlsafe(48)}")
