"""The door, a task that is decided and can still be undone: who said what, until when."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.safestring import SafeString

from approvals.inbox import times
from approvals.models import ApprovalTask, Decision, User
from approvals.states import Verdict


@dataclass(frozen=True, slots=True)
class Held:
    """What was said last, and until when it can be taken back; `is_mine`: by the one who looks."""

    said: str
    tone: str
    who: str
    is_mine: bool
    until: SafeString

    @classmethod
    def of(cls, task: ApprovalTask, decisions: Sequence[Decision], user: User) -> "Held | None":
        if not task.is_pending or task.settles_at is None or not decisions:
            return None
        last = decisions[-1]
        return cls(
            said=_said(last),
            tone=last.verdict,
            who=last.reviewer.display_name,
            is_mine=last.reviewer_id == user.pk,
            until=times.tag(task.settles_at, times.clock_to_the_second(task.settles_at)),
        )


def can_be_undone(task: ApprovalTask, decision: Decision) -> str:
    """What whoever decided is told right after it; blank where it is final already."""
    if not task.is_pending or task.settles_at is None:
        return ""
    at = times.clock_to_the_second(task.settles_at)
    return f"{_said(decision)}. The workflow hears of it at {at}."


def undo_url(task: ApprovalTask) -> str:
    """Where it can be taken back; blank where it is final, or nothing was decided yet."""
    return reverse("undo", args=[task.pk]) if task.is_pending and task.settles_at else ""


def _said(decision: Decision) -> str:
    return "Approved" if decision.verdict == Verdict.APPROVE else "Rejected"
