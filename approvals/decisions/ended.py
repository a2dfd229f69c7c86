"""DECISION, none taken: an engine says that whole executions have ended, so their tasks go."""

from collections.abc import Sequence

from approvals.intake.message import ExecutionNews
from approvals.models import ApprovalTask, Connection


def hear(connection: Connection, news: Sequence[ExecutionNews]) -> int:
    """Retire the pending tasks of executions that have ended, and remember these for tasks whose
    message comes later; how many were retired. In the caller's transaction."""
    return 0


def retire_late(tasks: Sequence[ApprovalTask]) -> None:
    """Retire those of the tasks just stored whose execution had ended before they came."""
