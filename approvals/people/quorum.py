"""WHO: the tally. Pure, so that every rule can be tried with every order of verdicts."""

from collections.abc import Iterable

from approvals.states import TaskStatus, Verdict


def tally(verdicts: Iterable[str], quorum: int) -> TaskStatus:
    """What the verdicts so far make of a task: one rejection is a veto, `quorum` approvals pass."""
    said = list(verdicts)
    if Verdict.REJECT in said:
        return TaskStatus.REJECTED
    if said.count(Verdict.APPROVE) >= quorum:
        return TaskStatus.APPROVED
    return TaskStatus.PENDING
