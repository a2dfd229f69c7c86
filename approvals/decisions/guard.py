"""DECISION, looked at: what is pointed out about the way it was taken. Forbids nothing.

Auditors find it in the ledger; the reviewer reads one kind sentence. Decisions about outside jobs
are left alone: there nobody reads, somebody knows.
"""

import datetime as dt
import json
import re
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from django.core.signing import Signer
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare

from approvals.asked.edits import payload_of
from approvals.models import ApprovalTask, AuditEvent, Gate, User

# Twice and three times what people read: who is pointed out has not read.
WORDS_A_SECOND = 10
SHORTEST, LONGEST = 2.0, 60.0  # seconds that reading takes
# So many within a minute, each faster than reading, are a series.
SERIES = 5
_MINUTE = dt.timedelta(minutes=1)

_WORD = re.compile(r"\w+")
_PATHS = 8  # that are named of those in which tasks differ


# --- how long it had been open ---


def opened_now(task_id: UUID, user: User) -> str:
    """A stamp for the page that shows the task to `user`: it comes back with the decision."""
    return _sign(task_id, user.pk, int(time.time() * 1000))


def seconds_open(stamp: str, task_id: UUID, user: User) -> float | None:
    """How long ago the page with this stamp was made; None if it is not of this task and user, or
    not ours at all."""
    millis = stamp.partition("-")[0]
    if not re.fullmatch(r"[0-9a-f]{1,12}", millis):
        return None
    made = int(millis, 16)
    if not constant_time_compare(stamp, _sign(task_id, user.pk, made)):
        return None
    seconds = time.time() - made / 1000
    return seconds if seconds >= 0 else None  # negative: the clock was set, or is another host's


def _sign(task_id: UUID, user_id: int, millis: int) -> str:
    signature = Signer(salt="countersign.opened").signature(f"{task_id}:{user_id}:{millis}")
    return f"{millis:x}-{signature}"


def reading_seconds(task: ApprovalTask) -> float:
    """What a quick reader needs for title, summary and payload."""
    shown = payload_of(task)
    said = "" if shown is None else json.dumps(shown, ensure_ascii=False)
    words = _WORD.finditer(f"{task.title} {task.summary} {said}")
    enough = int(LONGEST * WORDS_A_SECOND)
    return max(SHORTEST, sum(1 for _ in islice(words, enough)) / WORDS_A_SECOND)


# --- what is pointed out ---


def too_fast(task: ApprovalTask, user: User, read_seconds: float | None) -> dict[str, Any]:
    """What to point out about a decision that came `read_seconds` after opening the task."""
    if read_seconds is None or task.gate.kind == Gate.Kind.JOB:
        return {}
    reading = reading_seconds(task)
    if read_seconds >= reading:
        return {}
    found: dict[str, Any] = {"fast": {"seconds": round(read_seconds, 1), "reading": round(reading)}}
    if _ends_a_series(user):
        found["series"] = {"decisions": SERIES, "seconds": int(_MINUTE.total_seconds())}
    return found


def together(tasks: int, differs_in: Sequence[str]) -> dict[str, Any]:
    """What to point out about several decided at once, which differ at these JSON Pointers."""
    if not differs_in:
        return {}
    return {"bulk": {"tasks": tasks, "differs_in": list(differs_in[:_PATHS])}}


def _ends_a_series(user: User) -> bool:
    """Whether this person's decisions of the last minute make a series with one more; once each."""
    recent = AuditEvent.objects.filter(
        actor=user,
        at__gte=Now() - _MINUTE,
        action__in=(AuditEvent.Action.APPROVED, AuditEvent.Action.REJECTED),
        data__has_key="pointed_out",
    ).order_by("-at", "-id")
    found = [data["pointed_out"] for data in recent.values_list("data", flat=True)[:SERIES]]
    fast = [one for one in found if "fast" in one]
    return len(fast) >= SERIES - 1 and not any("series" in one for one in fast)


def words(pointed_out: Mapping[str, Any]) -> list[str]:
    """The same in sentences without a judgement, to follow a name: what the record says."""
    said = []
    if fast := pointed_out.get("fast"):
        open_for = "under 1 s" if fast["seconds"] < 1 else f"{fast['seconds']:.0f} s"
        said.append(
            f"decided {open_for} after opening it; reading it takes about {fast['reading']} s"
        )
    if bulk := pointed_out.get("bulk"):
        where = ", ".join(path or "the payload" for path in bulk["differs_in"])
        said.append(f"decided as one of {bulk['tasks']} at once, which differ in {where}")
    if series := pointed_out.get("series"):
        said.append(
            f"number {series['decisions']} within {series['seconds']} s, each faster than reading"
        )
    return said
