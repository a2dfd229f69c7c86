"""OUTSIDE JOBS, first step: a task at a gate for jobs is one that a runner can claim."""

from collections.abc import Sequence

from approvals.models import ApprovalTask, Gate, OutsideJob


def plan(tasks: Sequence[ApprovalTask]) -> None:
    """Make jobs of those of the tasks just stored whose gate waits for one."""
    jobs = [
        OutsideJob(task=task, gate_id=task.gate_id)
        for task in tasks
        if task.gate.kind == Gate.Kind.JOB
    ]
    if jobs:
        OutsideJob.objects.bulk_create(jobs)
