"""MESSAGE IN, no task: EventBridge's word that an execution of Step Functions has ended. Pure."""

from approvals.intake.envelopes import Unwrapped
from approvals.intake.message import ExecutionNews


def read_news(unwrapped: Unwrapped) -> ExecutionNews | None:
    """The news in an event “Step Functions Execution Status Change”; None for anything else."""
    return None
