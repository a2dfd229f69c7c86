"""DECISION, none taken: a state that is tried again has a new token, and its older task goes."""

from collections.abc import Sequence

from approvals.models import ApprovalTask


def supersede(tasks: Sequence[ApprovalTask]) -> None:
    """Let the tasks just stored take the place of the older ones that they retry, and carry
    decisions over where their gate says so. In the caller's transaction."""
