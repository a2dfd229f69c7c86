"""DECISION, counted again: a gate's rule was changed, and what was said so far may suffice now."""

from django.db import connection

from approvals import wake
from approvals.audit.record import Action, record
from approvals.decisions.decide import go_on
from approvals.decisions.rules import standing_of
from approvals.decisions.settle import MOVED_FIELDS, tally_stage
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, Gate, Stage
from approvals.people.roster import review_rule

# The job in approvals/jobs.py, by name: rooms do not know who calls them.
FIRE = "approvals.fire_timers"
WHY = "Its gate was changed, and what was said so far decides this."

# One row a task, so that a process that dies in the middle forgets none of them. Those on which
# somebody has decided come first; behind a thousand, so slowly that no deadline waits for them.
# Written by id, as whoever locks several tasks does, so that two never wait crosswise.
_PLAN = """
    INSERT INTO approvals_timer (task_id, kind, at)
    SELECT id, 'retally', statement_timestamp() + interval '10 ms' * greatest(0, turn - 1000)
      FROM (SELECT id, row_number() OVER (ORDER BY approvals = 0, id) AS turn
              FROM approvals_approvaltask WHERE gate_id = %s AND status = 'pending') t
     ORDER BY id
    ON CONFLICT (task_id, kind) DO UPDATE SET at = EXCLUDED.at
"""


def retally_later(gate: Gate) -> None:
    """Have all that waits at `gate` be counted again, in the transaction that changes its rule."""
    with connection.cursor() as cursor:
        cursor.execute(_PLAN, [gate.pk])
    wake.after_commit(FIRE)


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
