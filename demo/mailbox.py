"""DEMO, the mail server: mails become files, which `views` shows instead of a mailbox."""

import email
import email.policy
import hashlib
from collections.abc import Sequence
from email.message import EmailMessage as ParsedMail
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from demo.paths import LOCAL

FOLDER = LOCAL / "mails"
SHOWN = 200


class Backend(BaseEmailBackend):
    """Named by MAIL_BACKEND. Keeps one file a Message-ID, as mail stores do."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
        for message in email_messages:
            parsed = message.message()
            name = hashlib.sha256(str(parsed["Message-ID"]).encode()).hexdigest()[:32]
            beside = FOLDER / f".{name}.new"
            beside.write_bytes(parsed.as_bytes())
            beside.replace(FOLDER / f"{name}.eml")
        return len(email_messages)


class StoredMail(NamedTuple):
    """A mail as its reader sees it."""

    name: str
    mail: ParsedMail

    @property
    def subject(self) -> str:
        return str(self.mail["Subject"])

    @property
    def to(self) -> str:
        return str(self.mail["To"])

    @property
    def date(self) -> object:
        return parsedate_to_datetime(str(self.mail["Date"]))

    @property
    def body_plain(self) -> str:
        return self.body("plain")

    def body(self, kind: str) -> str:
        """`kind` is plain or html."""
        part = self.mail.get_body((kind,))
        return str(part.get_content()) if part else ""


def mails() -> list[StoredMail]:
    """The newest first."""
    files = sorted(FOLDER.glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [_read(file) for file in files[:SHOWN]]


def find(name: str) -> StoredMail | None:
    file = FOLDER / f"{name}.eml"
    return _read(file) if file.is_file() else None


def _read(file: Path) -> StoredMail:
    parsed = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(parsed, ParsedMail)
    return StoredMail(file.stem, parsed)
