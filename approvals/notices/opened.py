"""NOTICES, the other end: what a link is worth to whoever opens it now. Reads only.

Whether it lives is asked each time anew: its task may be settled, and its person may have nothing
to decide there any more. The rules are those of every door (`decisions.rules`).
"""

from dataclasses import dataclass
from typing import Any

from django.http import Http404

from approvals.asked.choices import label_of_choice
from approvals.inbox import times
from approvals.inbox.detail import Detail, find_task
from approvals.models import Decision, Link
from approvals.people.eligibility import Person
from approvals.states import TaskStatus, Verdict


@dataclass(frozen=True, slots=True)
class Closed:
    """A link by which nothing can be decided (any more), for its page."""

    heading: str
    words: str
    status: int = 410
    title: str = ""  # of the task; blank where it is none of the opener's business
    task: str = ""  # ids of what to open instead, once signed in
    newer: str = ""
    is_done: bool = False


UNKNOWN = Closed(
    "There is no such link",
    "It may have been cut off in the mail. What waits for you is in your inbox, too.",
    status=404,
)
NOT_ACTIVE = Closed(
    "This link does not work any more", "The account that it was made for is not active."
)


def look(link: Link) -> Detail | Closed:
    """The task as the link's person sees it if they may decide it by the link, else why not.

    `link` comes from `links.by_secret` or `by_fingerprint`. A constant number of queries.
    """
    if not link.person.is_active:
        return NOT_ACTIVE
    if link.is_expired:  # type: ignore[attr-defined]
        return Closed(
            "This link has expired",
            "Links live for a while only. Sign in to see how it stands, and to decide.",
            task=str(link.task_id),
        )
    try:
        task = find_task(person := Person(link.person), link.task_id)
    except Http404:
        return Closed("This is not yours to decide any more", "Its gate names others by now.")
    detail = Detail(task, person)
    of_task: dict[str, Any] = {"title": task.title, "task": str(task.pk)}
    mine = task.decisions.filter(reviewer=link.person).order_by("-decided_at").first()
    if link.used_at:
        return Closed(*_done(detail, mine), status=200, is_done=True, **of_task)
    if detail.can_decide:
        return detail
    if task.status == TaskStatus.SUPERSEDED:
        return Closed("A newer task took its place", detail.why_not, **of_task, newer=detail.newer)
    if mine and mine.withdrawn_at is None:
        return Closed(*_done(detail, mine), **of_task)
    if task.is_pending:  # a colleague may be on it, or another stage: that can change again
        return Closed("This is not yours to decide now", detail.why_not, status=409, **of_task)
    if task.status in (TaskStatus.EXPIRED, TaskStatus.CANCELLED):
        return Closed("This has ended", detail.why_not, **of_task)
    return Closed("This is already decided", detail.why_not, **of_task)


def _done(detail: Detail, mine: Decision | None) -> tuple[str, str]:
    """What this person decided, and what came of it."""
    task = detail.task
    if mine is None or mine.withdrawn_at:
        return "This link has been used", "What was decided by it was taken back."
    if mine.choice:
        heading = f"You have decided: {label_of_choice(task, mine.choice)}"
    elif detail.is_job:
        said = "succeeded" if mine.verdict == Verdict.APPROVE else "failed"
        heading = f"You have marked this as {said}"
    else:
        said = "approved" if mine.verdict == Verdict.APPROVE else "rejected"
        heading = f"You have {said} this"
    if not task.is_pending:
        return heading, detail.standing.sentence
    if task.settles_at:
        at = times.clock(task.settles_at)
        return heading, f"Until {at} it can be taken back, on the page of the task."
    missing = task.required - task.approvals
    more = f"{missing} more {'approval' if missing == 1 else 'approvals'}"
    return heading, f"It waits for {more}." if missing > 0 else "It waits for others."
