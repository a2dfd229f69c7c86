"""The door, the list as HTML: rows are written here in one pass, not in a template.

Fifty rows through Django's template loop cost several times what the whole rest of the page costs;
this is the one place where that matters. Every value from a message goes through `escape`.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import NamedTuple
from uuid import UUID

from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from approvals.inbox import times
from approvals.inbox.outside import JobLine
from approvals.inbox.queries import HELD, Row
from approvals.models.approval_task import NO_DEADLINE
from approvals.states import CallbackStatus, TaskStatus

_NEVER = int(NO_DEADLINE.timestamp() * 1_000_000)

OUTCOMES: dict[str, tuple[str, str]] = {  # status -> (word, tone)
    TaskStatus.PENDING: ("Pending", "accent"),
    TaskStatus.APPROVED: ("Approved", "approve"),
    TaskStatus.REJECTED: ("Rejected", "reject"),
    TaskStatus.SUCCEEDED: ("Succeeded", "approve"),
    TaskStatus.FAILED: ("Failed", "reject"),
    TaskStatus.EXPIRED: ("Time ran out", "soon"),
    TaskStatus.CANCELLED: ("Workflow ended", ""),
    TaskStatus.SUPERSEDED: ("Asked anew", ""),
}
_DELIVERY: dict[str, str] = {  # what is worth saying about an answer that is under way
    CallbackStatus.DUE: "telling it …",
    CallbackStatus.SENDING: "telling it …",
    CallbackStatus.UNCONFIRMED: "unconfirmed",
    CallbackStatus.DEAD: "not delivered",
    HELD: "can be undone",
}


class ListHtml(NamedTuple):
    html: SafeString
    version: str  # changes whenever the list looks different, running clocks aside


def render(
    rows: Sequence[Row],
    query: str,
    now: dt.datetime,
    current: UUID | None = None,
    jobs: Mapping[str, JobLine] | None = None,
    *,
    can_pick: bool = False,
) -> ListHtml:
    """The rows as list items. `query` ends each address: a task keeps its list beside it.

    `jobs`: on the tab of outside jobs, how they are doing. `can_pick`: where several can be
    decided at once, each has a box to tick.
    """
    zone = timezone.get_current_timezone()
    query, chosen = escape(query), str(current)
    micros = int(now.timestamp() * 1_000_000)
    html, shown = [], []
    for row in rows:
        is_pending = row.status == TaskStatus.PENDING
        right, urgency = _left(row, micros, zone) if is_pending else (_outcome(row), "")
        since = row.received if is_pending else row.at
        current_mark = ' aria-current="true"' if row.id == chosen else ""
        where = escape(f"{row.workflow} · {row.state}".strip(" ·"))
        below = _delivery(row) or (_meter(row) if is_pending else "")
        job = jobs.get(row.id) if jobs else None
        progress = _progress(job, now) if job else _claim(row, zone)
        who = f"{escape(row.requested_by)} · " if row.requested_by else ""
        age = _time(since, times.age((micros - since) / 1e6), "age", zone)
        html.append(
            f'<li class="row">{_pick(row) if can_pick else ""}'
            f'<a class="row-link" id="row-{row.id}" '
            f'href="/tasks/{row.id}/{query}"{current_mark}>'
            f'<span class="row-title">{escape(row.title)}</span>{right}'
            f'<span class="row-where">{where}</span>{below}'
            f'<span class="row-who">{who}{age}</span>{progress}</a></li>'
        )
        shown.append(f"{row.id}{row.approvals}{row.required}{row.status}{row.callback}{urgency}")
        if row.claimer is not None:
            shown.append(f"{row.claimer}{row.claimed}")
        if job:
            shown.append(f"{job.runs_on}{job.percent}{job.note}{job.is_silent(now)}")
    version = hashlib.blake2s("".join(shown).encode(), digest_size=8).hexdigest()
    return ListHtml(mark_safe("".join(html)), version)  # noqa: S308 - escaped, value by value


def _pick(row: Row) -> str:
    return (
        f'<label class="pick"><input type="checkbox" name="task" value="{row.id}" '
        f'aria-labelledby="row-{row.id}"></label>'
    )


def _left(row: Row, now: int, zone: dt.tzinfo) -> tuple[str, str]:
    """Time left as HTML, and how urgent that is."""
    if row.at == _NEVER:
        return "", ""
    words, tone = times.left((row.at - now) / 1e6)
    return _time(row.at, words, "left", zone, f"row-right left {tone}"), tone


def _outcome(row: Row) -> str:
    word, tone = OUTCOMES[row.status]
    return f'<span class="row-right outcome" data-tone="{tone}">{word}</span>'


def _meter(row: Row) -> str:
    """Approvals so far, where more than one is needed."""
    if row.required < 2:
        return ""
    got = min(row.approvals, row.required)
    dots = ""
    if row.required <= 5:
        dots = '<i class="dot on"></i>' * got + '<i class="dot"></i>' * (row.required - got)
    return f'<span class="meter">{dots}{got} of {row.required}</span>'


def _claim(row: Row, zone: dt.tzinfo) -> str:
    """Who is on it."""
    if row.claimer is None or row.claimed is None:
        return ""
    since = times.clock(dt.datetime.fromtimestamp(row.claimed / 1e6, zone))
    who = f"{escape(row.claimer)} is" if row.claimer else "You are"
    return f'<span class="row-claim">{who} on it since {since}</span>'


def _progress(job: JobLine, now: dt.datetime) -> str:
    """Where a job runs and how far it is; the bar only shows what the text says."""
    percent = bar = ""
    if job.percent is not None:
        percent = f'<span class="row-percent">{job.percent}%</span>'
        bar = (
            f'<progress class="bar" max="100" value="{job.percent}" aria-hidden="true"></progress>'
        )
    note = f" · {escape(job.note)}" if job.note else ""
    tone = ' data-tone="soon"' if job.is_silent(now) else ""
    return f'<span class="row-job"{tone}>{job.where(now)}{note}</span>{percent}{bar}'


def _delivery(row: Row) -> str:
    said = _DELIVERY.get(row.callback or "")
    return f'<span class="row-note">{said}</span>' if said else ""


def _time(micros: int, words: str, rel: str, zone: dt.tzinfo, css: str = "") -> str:
    return f'<time class="{css}" data-rel="{rel}" {_moment(micros, zone)}>{words}</time>'


@lru_cache(maxsize=8192)
def _moment(micros: int, zone: dt.tzinfo) -> str:
    """For machines and for people. Kept: an open inbox asks for the same rows again and again."""
    there = dt.datetime.fromtimestamp(micros / 1e6, zone)
    return f'datetime="{there.isoformat(timespec="seconds")}" title="{times.absolute(there)}"'
