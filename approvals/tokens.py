"""Task tokens are secrets: wrapped so that they do not print, encrypted at rest, found by digest.

The keys come from `TOKEN_KEYS`, newest first: the first encrypts, all decrypt, so a key is rotated
by putting a new one in front and running `manage.py rotate_token_keys`. The digest has a key of its
own (`TOKEN_DIGEST_KEY`) that stays the same, since it has to find tokens that came in earlier.
"""

import hashlib
import hmac
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from approvals.errors import SecretUnreadable


class TaskToken:
    """An engine's secret handle. `reveal()` is the only way to the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "TaskToken(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskToken) and hmac.compare_digest(
            self._text.encode(), other._text.encode()
        )

    def __hash__(self) -> int:
        return hash(self._text)


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(secret: str) -> bytes:
    """Ciphertext of `secret` under the newest key."""
    return _fernet(tuple(settings.TOKEN_KEYS)).encrypt(secret.encode())


def decrypt(ciphertext: bytes | memoryview) -> str:
    """The secret in `ciphertext`; raises `SecretUnreadable` if no key fits."""
    try:
        return _fernet(tuple(settings.TOKEN_KEYS)).decrypt(bytes(ciphertext)).decode()
    except InvalidToken:
        raise SecretUnreadable from None


def rotate(ciphertext: bytes | memoryview) -> bytes:
    """The same secret under the newest key; raises `SecretUnreadable` if no key fits."""
    try:
        return _fernet(tuple(settings.TOKEN_KEYS)).rotate(bytes(ciphertext))
    except InvalidToken:
        raise SecretUnreadable from None


def digest(secret: str) -> bytes:
    """32 bytes that find a secret again without telling it (HMAC-SHA256)."""
    return hmac.new(settings.TOKEN_DIGEST_KEY.encode(), secret.encode(), hashlib.sha256).digest()
