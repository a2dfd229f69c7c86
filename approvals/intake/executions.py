"""MESSAGE IN, no task: EventBridge's word that an execution of Step Functions has ended. Pure."""

from datetime import UTC, datetime
from typing import Any

from approvals.engines.base import Handle
from approvals.errors import MessageNotUnderstood
from approvals.intake.context import MAX_ID_LENGTH
from approvals.intake.envelopes import Unwrapped
from approvals.intake.message import ExecutionNews
from approvals.intake.names import handles

# Nobody but AWS may send events of a source that begins with "aws.".
SOURCE = "aws.states"
DETAIL_TYPE = "Step Functions Execution Status Change"


def read_news(unwrapped: Unwrapped) -> ExecutionNews | None:
    """The news in an event “Step Functions Execution Status Change”; None for anything else.

    The event also holds the execution's input and output: they are left where they are.

    Raises `MessageNotUnderstood` with `bad_event`.
    """
    if (unwrapped.source, unwrapped.detail_type) != (SOURCE, DETAIL_TYPE):
        return None
    detail = unwrapped.payload
    if any(handles(detail, handle) for handle in Handle):
        return None
    execution_id, status = _name(detail.get("executionArn")), _name(detail.get("status"))
    if not (execution_id and status):
        raise _malformed("executionArn and status")
    redriven = status == "RUNNING" and bool(detail.get("redriveCount") or detail.get("redriveDate"))
    moments = [_moment(detail.get("redriveDate" if redriven else "startDate")), unwrapped.sent_at]
    if status in ExecutionNews.ENDS:
        moments[0] = _moment(detail.get("stopDate"))
    at = next((moment for moment in moments if moment), None)
    if at is None:
        raise _malformed("a time")
    return ExecutionNews(execution_id, status, at, redriven)


def _name(value: Any) -> str:
    fits = isinstance(value, str) and len(value) <= MAX_ID_LENGTH and value.isprintable()
    return value if fits else ""


def _moment(value: Any) -> datetime | None:
    """The UTC time of milliseconds since 1970; None for anything else, and beyond the year 9000."""
    if type(value) is not int or not 0 < value < 221_845_392_000_000:
        return None
    return datetime.fromtimestamp(value / 1000, UTC)


def _malformed(missing: str) -> MessageNotUnderstood:
    return MessageNotUnderstood(
        "bad_event", f"This event says that an execution's status changed, but lacks {missing}."
    )
