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


def opened_now(shown: UUID, user: User) -> str:
    """A stamp for the page that shows a task, or the table of a batch, to `user`: it comes back
    with the decision."""
    return _sign(shown, user.pk, int(time.time() * 1000))


def seconds_open(stamp: str, shown: UUID, user: User) -> float | None:
    """How long ago the page with this stamp was made; None if it is not of this task (or batch)
    and user, or not ours at all."""
    millis = stamp.partition("-")[0]
    if not re.fullmatch(r"[0-9a-f]{1,12}", millis):
        return None
    made = int(millis, 16)
    if not constant_time_compare(stamp, _sign(shown, user.pk, made)):
        return None
    seconds = time.time() - made / 1000
    return seconds if seconds >= 0 else None  # negative: the clock was set, or is another host's


def _sign(shown: UUID, user_id: int, millis: int) -> str:
    signature = Signer(salt="countersign.opened").signature(f"{shown}:{user_id}:{millis}")
    return f"{millis:x}-{signature}"


def reading_seconds(task: ApprovalTask) -> float:
    """What a quick reader needs for title, summary and payload."""
    shown = payload_of(task)
    said = "" if shown is None else json.dumps(shown, ensure_ascii=False)
    words = _WORD.finditer(f"{task.title} {task.summary} {said}")
    enough = int(LONGEST * WORDS_A_SECOND)
    return _seconds_for(sum(1 for _ in islice(words, enough)))


def _seconds_for(words: int) -> float:
    return min(LONGEST, max(SHORTEST, words / WORDS_A_SECOND))


# --- what is pointed out ---


def too_fast(task: ApprovalTask, user: User, read_seconds: float | None) -> dict[str, Any]:
    """What to point out about a decision that came `read_seconds` after opening the task."""
    if read_seconds is None or task.gate.kind == Gate.Kind.JOB:
        return {}
    reading = reading_seconds(task)
    if read_seconds >= reading:
        return {}
    found: dict[str, Any] = {"fast": _fast(read_seconds, reading)}
    if _ends_a_series(user):
        found["series"] = {"decisions": SERIES, "seconds": int(_MINUTE.total_seconds())}
    return found


def together(
    tasks: Sequence[ApprovalTask], differs_in: Sequence[str], table: str, read_seconds: float | None
) -> dict[str, Any]:
    """What to point out about several decided at once, which differ at these JSON Pointers,
    `read_seconds` after a page showed them as `table`.

    However many they are, they were looked at together: so they are no series by themselves, and
    it is the table that wants to be read, not each task. Whatever stands in one piece there, such
    as an amount or a date, counts as one word.
    """
    if not tasks or tasks[0].gate.kind == Gate.Kind.JOB:
        return {}
    found: dict[str, Any] = {}
    if differs_in:
        found["differs_in"] = list(differs_in[:_PATHS])
    reading = _seconds_for(len(table.split()))
    if read_seconds is not None and read_seconds < reading:
        found["fast"] = _fast(read_seconds, reading)
    return {"bulk": {"tasks": len(tasks), **found}} if found else {}


def is_fast(pointed_out: Mapping[str, Any]) -> bool:
    """Whether it came faster than reading takes, alone or as one of several."""
    return "fast" in pointed_out or "fast" in pointed_out.get("bulk", {})


def _fast(read_seconds: float, reading: float) -> dict[str, float]:
    return {"seconds": round(read_seconds, 1), "reading": round(reading)}


def _ends_a_series(user: User) -> bool:
    """Whether this person's decisions of the last minute make a series with one more; once each."""
    recent = AuditEvent.objects.filter(
        actor=user,
        at__gte=Now() - _MINUTE,
        action__in=(AuditEvent.Action.APPROVED, AuditEvent.Action.REJECTED),
        data__pointed_out__has_key="fast",
    ).order_by("-at", "-id")
    fast = [data["pointed_out"] for data in recent.values_list("data", flat=True)[:SERIES]]
    return len(fast) >= SERIES - 1 and not any("series" in one for one in fast)


def words(pointed_out: Mapping[str, Any]) -> list[str]:
    """The same in sentences without a judgement, to follow a name: what the record says."""
    said = []
    bulk = pointed_out.get("bulk", {})
    if fast := pointed_out.get("fast"):
        said.append(_fast_words(fast, "it"))
    if differs_in := bulk.get("differs_in"):
        where = ", ".join(path or "the payload" for path in differs_in)
        said.append(f"decided as one of {bulk['tasks']} at once, which differ in {where}")
    if fast := bulk.get("fast"):
        said.append(_fast_words(fast, f"a table of {bulk['tasks']}"))
    if series := pointed_out.get("series"):
        said.append(
            f"number {series['decisions']} within {series['seconds']} s, each faster than reading"
        )
    return said


def _fast_words(fast: Mapping[str, Any], what: str) -> str:
    open_for = "under 1 s" if fast["seconds"] < 1 else f"{fast['seconds']:.0f} s"
    return f"decided {open_for} after opening {what}; reading it takes about {fast['reading']} s"
