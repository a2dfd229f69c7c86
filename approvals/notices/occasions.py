"""NOTICES, first step: something happened that people are to be told about.

One row, in the transaction in which it happens; whom it concerns is found out behind it
(`audience`), so that nobody who decides or sends messages waits for that.
"""

from collections.abc import Iterable
from typing import Any

from approvals import wake
from approvals.models import ApprovalTask, Occasion, User

Kind = Occasion.Kind

# The job in approvals/jobs.py, by name: rooms do not know who calls them.
TELL = "approvals.tell_people"


def happened(
    kind: Kind,
    tasks: Iterable[ApprovalTask],
    *,
    actor: User | None = None,
    person: User | None = None,
    **data: Any,
) -> None:
    """Have those be told whom it concerns: `person` alone where given, else whom `kind` implies.

    `actor` did it and is not told. `data` is JSON for the mail's words; never a token.
    """
    rows = [
        Occasion(kind=kind, task=task, stage=task.stage, actor=actor, person=person, data=data)
        for task in tasks
    ]
    if rows:
        Occasion.objects.bulk_create(rows)
        wake.after_commit(TELL)


def moved(task: ApprovalTask, *, away_from: Iterable[User], to: User, actor: User) -> None:
    """Have those be told who had this task, or whose place it is, that `to` has it now."""
    for loser in away_from:
        happened(Kind.MOVED, [task], actor=actor, person=loser, by=str(to), has=to.pk)
