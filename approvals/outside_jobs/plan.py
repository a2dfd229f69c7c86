"""OUTSIDE JOBS, first step: a task at a gate for jobs is one that a runner can claim."""

from collections.abc import Sequence

from approvals.models import ApprovalTask


def plan(tasks: Sequence[ApprovalTask]) -> None:
    """Make jobs of those of the tasks just stored whose gate waits for one."""
