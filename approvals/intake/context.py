"""MESSAGE IN: what an engine's context object says about the step that waits. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from approvals.intake.masking import Mask
from approvals.intake.message import ExecutionContext
from approvals.intake.names import contexts, lookup

MAX_ID_LENGTH = 500
MAX_NAME_LENGTH = 200
MAX_RETRY_COUNT = 1_000_000
# Between a state's entry and its message. What is sent much later is sent after a redrive.
AT_ONCE = timedelta(minutes=1)

_EXECUTION_ARN = re.compile(
    r"(arn:[^:]+:states:[^:]*:[^:]*):execution:(?P<workflow>[^:]+):(?P<name>[^:]+)"
)
# CloudFlow has no id of its own for executions: this is ours, of the two names that its API wants.
_CLOUDFLOW_ID = re.compile(r"flow/[A-Za-z0-9_-]{1,128}/execution/[A-Za-z0-9_-]{1,128}")
_WORKFLOW_ARN = re.compile(r"arn:[^:]+:states:[^:]*:[^:]*:stateMachine:(?P<workflow>[^:]+)")


def read_context(
    payload: dict[str, Any],
    resources: Iterable[str],
    mask: Mask,
    sent_at: datetime | None = None,
) -> ExecutionContext:
    """The context of a payload; what is missing or malformed stays blank.

    Step Functions appends the execution's and the state machine's ARN to an EventBridge event's
    `resources`: they fill what the context object leaves out. When the state was entered is the
    later of its own time and the redrive's. After a redrive its own is long ago, and a message may
    not say more: then `sent_at`, by the carrier's clock, follows at once on the true one. Else the
    state's own counts, which all its tries share.

    CloudFlow's `$Context` holds `Execution.Name` and `Current.{Name,RetryCount}`, and no name of
    the flow: its author writes that beside it, as `Flow.Name` or `Execution.FlowName`. Both names
    make the execution's id, `flow/NAME/execution/NAME`, by which `engines.cloudflow` looks it up.
    """
    sources = contexts(payload)

    def text(limit: int, *path: str) -> str:
        for source in sources:
            value = lookup(source, *path)
            if isinstance(value, str) and value.isprintable() and len(value) <= limit:
                return mask.text(value)
        return ""

    arns = [arn for arn in resources if len(arn) <= MAX_ID_LENGTH and not mask.hits(arn)]
    flow = text(MAX_NAME_LENGTH, "flow", "name") or text(MAX_NAME_LENGTH, "execution", "flowName")
    execution_id = (
        text(MAX_ID_LENGTH, "execution", "id")
        or _first(_EXECUTION_ARN, arns)
        or _cloudflow_id(flow, text(MAX_NAME_LENGTH, "execution", "name"))
    )
    workflow_id = text(MAX_ID_LENGTH, "stateMachine", "id") or _first(_WORKFLOW_ARN, arns)
    execution = _EXECUTION_ARN.fullmatch(execution_id)
    workflow = _WORKFLOW_ARN.fullmatch(workflow_id) or execution
    retry_count = _first_count(
        lookup(source, part, "retryCount") for source in sources for part in ("state", "current")
    )
    entered_at = _latest(
        _first_instant(lookup(source, "state", "enteredTime") for source in sources),
        _first_instant(lookup(source, "execution", "redriveTime") for source in sources),
    )
    if entered_at is None or (sent_at and not retry_count and sent_at - entered_at > AT_ONCE):
        entered_at = sent_at
    return ExecutionContext(
        execution_id=execution_id,
        execution_name=text(MAX_NAME_LENGTH, "execution", "name")
        or (execution["name"][:MAX_NAME_LENGTH] if execution else ""),
        workflow_id=workflow_id,
        workflow=text(MAX_NAME_LENGTH, "stateMachine", "name")
        or (workflow["workflow"][:MAX_NAME_LENGTH] if workflow else flow),
        state=text(MAX_NAME_LENGTH, "state", "name") or text(MAX_NAME_LENGTH, "current", "name"),
        entered_at=entered_at,
        retry_count=retry_count,
    )


def instant(value: Any) -> datetime | None:
    """The UTC time in an ISO 8601 text with date and time; without an offset it is UTC.

    None for anything else, and outside of 1970–9000, so that adding to it can't overflow.
    """
    if not isinstance(value, str) or len(value.strip()) <= len("2026-11-22"):  # a date is no time
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if 1970 <= moment.year <= 9000 else None


def _cloudflow_id(flow: str, execution: str) -> str:
    made = f"flow/{flow}/execution/{execution}"
    return made if _CLOUDFLOW_ID.fullmatch(made) else ""


def _first(pattern: re.Pattern[str], arns: list[str]) -> str:
    return next((arn for arn in arns if pattern.fullmatch(arn)), "")


def _first_instant(values: Iterable[Any]) -> datetime | None:
    return next((moment for value in values if (moment := instant(value))), None)


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)


def _first_count(values: Iterable[Any]) -> int:
    return next(
        (value for value in values if type(value) is int and 0 < value <= MAX_RETRY_COUNT), 0
    )
