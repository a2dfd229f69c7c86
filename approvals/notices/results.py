"""NOTICES: what a mail server's answer, or its lack, means for the mail. Pure."""

import re
import smtplib
from dataclasses import dataclass

from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused

from approvals.models import Mail

Status = Mail.Status

# RFC 3463: the third of “550 5.1.1” says whose fault it is; 5.7 is policy, not the address.
_ENHANCED = re.compile(r"^\s*5\.(\d{1,3})\.\d{1,3}")
_ADDRESS, _MAILBOX, _POLICY = "1", "2", "7"


@dataclass(frozen=True, slots=True)
class Result:
    """What becomes of the mail; `words` are for operators. `is_way`: the next mail would fail
    alike, so nobody goes on over this connection."""

    status: Status
    words: str
    is_way: bool = False
    is_bug: bool = False


def result_of(error: Exception) -> Result:
    match error:
        case smtplib.SMTPRecipientsRefused():
            return _of_recipient(*next(iter(error.recipients.values())))
        case smtplib.SMTPDataError():
            return _of_content(error.smtp_code, error.smtp_error)
        case smtplib.SMTPResponseException():  # the sender or the sign-in is refused
            return Result(Status.DUE, _said(error.smtp_code, error.smtp_error), is_way=True)
        case AnymailRecipientsRefused():
            return Result(Status.BOUNCED, "The mail provider refuses the address.")
        case AnymailAPIError():
            return _of_provider(error)
        case OSError():  # also smtplib's others, and requests' own
            return Result(Status.DUE, f"{type(error).__name__}: {error}", is_way=True)
    # A bug of ours, most likely: its words may hold anything.
    return Result(Status.DUE, f"{type(error).__name__} while it was written or sent.", is_bug=True)


def _of_recipient(code: int, said: bytes | str) -> Result:
    words = _said(code, said)
    found = _ENHANCED.match(_text(said))
    is_refused = 500 <= code < 600 and not (found and found[1] == _POLICY)
    return Result(Status.BOUNCED if is_refused else Status.DUE, words)


def _of_content(code: int, said: bytes | str) -> Result:
    """After the text was sent: it is refused, or the address after all."""
    words = _said(code, said)
    found = _ENHANCED.match(_text(said))
    if 500 <= code < 600:
        is_address = found is not None and found[1] in (_ADDRESS, _MAILBOX)
        return Result(Status.BOUNCED if is_address else Status.DEAD, words)
    return Result(Status.DUE, words)


def _of_provider(error: AnymailAPIError) -> Result:
    """Its answer is not repeated: it may hold what was sent."""
    code = error.status_code
    words = f"The mail provider answered {code}." if code else "The mail provider was not reached."
    return Result(Status.DUE, words, is_way=code is None or code in (401, 403, 429) or code >= 500)


def _said(code: int, said: bytes | str) -> str:
    return f"{code} {_text(said)}".strip()


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
