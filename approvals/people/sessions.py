"""WHO: sessions in the database, asked for by keys of its own making alone."""

from typing import Any

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: Any) -> bool:
        """A cookie can hold a NUL, which PostgreSQL refuses: any address would answer 500."""
        valid: bool = super()._validate_session_key(key)  # type: ignore[misc]  # missing stub
        return valid and key.isascii() and key.isalnum()
