"""CALLBACK OUT, the far end, for `manage.py doctor`: what AWS lets us do. Changes nothing.

Each call is tried with a token or an execution that nobody has: whoever is told that it does not
exist was allowed to ask.
"""

from collections.abc import Callable, Iterator
from typing import Any

from approvals.engines import aws
from approvals.engines.base import EngineConfig
from approvals.errors import CallbackRefused, EngineError, TaskGone
from approvals.findings import Finding, Level
from approvals.tokens import TaskToken

POLICY = "deploy/iam-policy.json"
NOBODYS_TOKEN = TaskToken("countersign-doctor")
NOBODYS_EXECUTION = "execution:countersign-doctor:countersign-doctor"

ANSWERS: dict[str, tuple[str, dict[str, str]]] = {
    "send_task_heartbeat": ("SendTaskHeartbeat", {}),
    "send_task_success": ("SendTaskSuccess", {"output": "{}"}),
    "send_task_failure": ("SendTaskFailure", {"error": "Doctor", "cause": ""}),
}
# What is lost without the permission.
LOOK_UPS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "describe_execution": (
        "DescribeExecution",
        "answers that were lost, and deadlines that have passed, can't be looked up",
        {},
    ),
    "get_execution_history": (
        "GetExecutionHistory",
        "answers that were lost can't be looked up",
        {"maxResults": 1},
    ),
    "describe_state_machine_for_execution": (
        "DescribeStateMachineForExecution",
        "HeartbeatSeconds and TimeoutSeconds have to be in the message or at the gate",
        {},
    ),
}
NOT_THERE = ("ExecutionDoesNotExist", "InvalidArn")
CLOCK = ("InvalidSignature", "SignatureDoesNotMatch", "RequestExpired", "ClockSkew")

Ask = Callable[..., dict[str, Any] | EngineError]


def examine(ask: Ask, session: aws.Session, config: EngineConfig) -> Iterator[Finding]:
    """`ask(operation, token, **values)` makes one call and returns its answer or its error."""
    who, problem = _identity(session, config)
    if problem:
        yield problem
        return
    yield Finding(Level.OK, f"Calls are made as {who}." if who else "There are credentials.")
    for operation, (action, values) in ANSWERS.items():
        answer = ask(operation, NOBODYS_TOKEN, **values)
        if isinstance(answer, CallbackRefused | TaskGone):
            yield Finding(Level.OK, f"states:{action} is allowed.")
            continue
        yield Finding(Level.BAD, str(answer), _mend(answer, action, config))
        if not _is_denied(answer):
            return  # the others would only say the same again
    yield from _look_ups(ask, who, config)


def _identity(session: aws.Session, config: EngineConfig) -> tuple[str, Finding | None]:
    """Our ARN, blank where STS can't be asked; or why there are no credentials at all."""
    try:
        credentials = session.get_credentials()
        if credentials is None:
            return "", Finding(
                Level.BAD,
                "No AWS credentials were found.",
                "Run Countersign with a role (instance, task or pod), or set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY.",
            )
        credentials.get_frozen_credentials()
    except Exception as error:  # whatever botocore makes of it
        code, words = aws.said(error)
        return "", Finding(Level.BAD, words, _mend_role(code, config))
    try:
        return str(aws.sts(session, config).get_caller_identity()["Arn"]), None
    except Exception:  # a network without a way to STS; nothing depends on it
        return "", None


def _mend_role(code: str, config: EngineConfig) -> str:
    if code.startswith(CLOCK):
        return "Set this machine's clock (NTP)."
    if not config.role_arn:
        return "See where the process gets its AWS credentials from."
    with_id = f" with the external id “{config.external_id}”" if config.external_id else ""
    return (
        f"Allow our identity sts:AssumeRole on {config.role_arn}, and let that role's trust policy "
        f"name our identity{with_id or ' (without an external id, as none is set here)'}."
    )


def _look_ups(ask: Ask, who: str, config: EngineConfig) -> Iterator[Finding]:
    part = who.split(":")
    if len(part) < 5 or not config.region:
        return
    execution = f"arn:{part[1]}:states:{config.region}:{part[4]}:{NOBODYS_EXECUTION}"
    for operation, (action, lost, values) in LOOK_UPS.items():
        answer = ask(operation, None, executionArn=execution, **values)
        if isinstance(answer, EngineError) and _is_denied(answer):
            yield Finding(
                Level.WARNING,
                f"states:{action} is not allowed on every execution: where it is not, {lost}.",
                f"Allow it ({POLICY}); all is well if your policy names your own executions.",
            )
        elif isinstance(answer, EngineError) and answer.code not in NOT_THERE:
            yield Finding(Level.WARNING, str(answer), _mend(answer, action, config))
        else:
            yield Finding(Level.OK, f"states:{action} is allowed.")


def _is_denied(answer: dict[str, Any] | EngineError) -> bool:
    return isinstance(answer, EngineError) and answer.code.startswith("AccessDenied")


def _mend(answer: dict[str, Any] | EngineError, action: str, config: EngineConfig) -> str:
    code = answer.code if isinstance(answer, EngineError) else ""
    if code.startswith(CLOCK):
        return "Set this machine's clock (NTP), and check the secret access key."
    if code.startswith("AccessDenied"):
        return f"Allow states:{action} ({POLICY})."
    if code.startswith(("UnrecognizedClient", "ExpiredToken", "InvalidClientTokenId")):
        return "Give the process credentials that are valid."
    where = config.endpoint_url or f"Step Functions in {config.region or 'the default region'}"
    return f"Check the region and the way from here to {where} (proxy, firewall, VPC endpoint)."
