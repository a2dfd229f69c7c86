"""DECISION, counted again: a gate's rule was changed, or who is in a team, and what was said so far
may suffice now."""

from collections.abc import Iterable

from django.db import connection
from django.db.models import Q

from approvals import wake
from approvals.audit.record import Action, record
from approvals.decisions.decide import go_on
from approvals.decisions.rules import standing_of
from approvals.decisions.settle import MOVED_FIELDS, tally_stage
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, Gate, Stage
from approvals.people.quorum import Needs
from approvals.people.roster import review_rule

# The job in approvals/jobs.py, by name: rooms do not know who calls them.
FIRE = "approvals.fire_timers"
WHY = "Its gate was changed, or who reviews there, and what was said so far decides this."

# One row a task, so that a process that dies in the middle forgets none of them. Those on which
# somebody has decided come first; behind a thousand, so slowly that no deadline waits for them.
# Written by id, as whoever locks several tasks does, so that two never wait crosswise.
_PLAN = """
    INSERT INTO approvals_timer (task_id, kind, at)
    SELECT id, 'retally', statement_timestamp() + interval '10 ms' * greatest(0, turn - 1000)
      FROM (SELECT id, row_number() OVER (ORDER BY NOT EXISTS (
                           SELECT FROM approvals_decision d
                            WHERE d.task_id = t.id AND d.withdrawn_at IS NULL), id) AS turn
              FROM approvals_approvaltask t WHERE gate_id = ANY(%s) AND status = 'pending') t
     ORDER BY id
    ON CONFLICT (task_id, kind) DO UPDATE SET at = EXCLUDED.at
"""


def retally_later(*gates: Gate) -> None:
    """Have all that waits at `gates` be counted again, in the transaction that changes their rules.

    Once a transaction, with all of them: those who plan for several take the rows in one order.
    """
    if gates:
        with connection.cursor() as cursor:
            cursor.execute(_PLAN, [[gate.pk for gate in gates]])
        wake.after_commit(FIRE)


def retally_where_they_review(*, users: Iterable[int] = (), teams: Iterable[int] = ()) -> None:
    """The same where it matters how many may decide, at all gates that name one of these: somebody
    joins a team or leaves it, or an account is closed or opened. In the transaction of that.

    Elsewhere an approval that was given counts, whoever else may decide.
    """
    by_number = Q(needs=Needs.MAJORITY) | Q(veto=False)
    named = by_number & (Q(users__in=list(users)) | Q(groups__in=list(teams)))
    stages = Stage.objects.filter(named).values("gate")
    gates = Gate.objects.filter(kind=Gate.Kind.PEOPLE).filter(
        Q(pk__in=Gate.objects.filter(named).values("pk")) | Q(pk__in=stages)
    )
    retally_later(*gates.only("pk"))


def retally(task: ApprovalTask) -> None:
    """Count a locked, pending task again. What it has may pass its stage, or settle it."""
    before = task.stage, task.approvals, task.required
    review = review_rule(task.gate, task.stage)
    # Back to where it came from, if its own was removed at the moment at which it came there.
    task.stage = review.position if isinstance(review, Stage) else 0
    decisions = standing_of(task)
    found = tally_stage(task, decisions)
    try:
        events = go_on(task, found, decisions, may_hold=False)
    except CannotDecide:  # too long for the engine: whoever decides next reads so
        task.settled_choice, events = "", []
    for one in events:
        if one.action in (Action.SETTLED, Action.STAGE_PASSED):
            one.data["reason"] = WHY
    if events or before != (task.stage, task.approvals, task.required):
        task.save(update_fields=MOVED_FIELDS)
        record(*events)
