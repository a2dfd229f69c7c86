"""CALLBACK OUT, the far end: AWS Step Functions; of all engine files the only one with botocore.

What surely was not taken is *unavailable*: no
connection, no credentials, throttled, not permitted, a key in the way; someone can mend these, so
the decision is kept and the reason shown. Whatever may have been taken is *unknown*: a connection
lost after the request went out, a time-out, any 5xx. Nothing here repeats a vendor's words about
the token, and nothing is raised while botocore's exception is at hand: it carries the request.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from botocore import exceptions as boto
from botocore.config import Config

from approvals.engines.aws import session
from approvals.engines.base import Engine, EngineConfig, Fate, Limits, Step
from approvals.engines.step_functions_history import History
from approvals.errors import (
    CallbackRefused,
    EngineError,
    EngineUnavailable,
    OutcomeUnknown,
    TaskGone,
)
from approvals.findings import Finding, Level
from approvals.tokens import TaskToken

REFUSALS = {
    "InvalidOutput": "Step Functions does not take this output for JSON.",
    "InvalidToken": "Step Functions does not know this token: malformed, or of another account or "
    "region.",
    "TaskDoesNotExist": "Step Functions has no such task.",
    "SerializationException": "Step Functions could not read the request.",
    "ValidationException": "Step Functions found a value too long or malformed.",
    "413": "The answer is larger than Step Functions takes.",
}
THROTTLED = {
    "KmsThrottlingException",
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "429",
}
# Raised before the request goes out.
NOT_SENT = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ProxyConnectionError,
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.MetadataRetrievalError,
    boto.SSOError,
    boto.LoginError,
)
# A look-up that these stop will fare no better later.
NOT_TO_BE_SEEN = re.compile(
    r"ExecutionDoesNotExist|InvalidArn|AccessDenied.*|KmsAccessDenied.*|KmsInvalidState.*"
    r"|ValidationException|ParamValidationError"
)
CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
EXECUTION_ARN = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):states:([a-z]{2}(?:-[a-z]+)+-\d{1,2}):\d{12}:execution:\S+"
)
CLIENT = Config(
    retries={"total_max_attempts": 1},  # botocore's own retries hide lost answers
    connect_timeout=3,
    read_timeout=10,
    max_pool_connections=32,
    tcp_keepalive=True,
)


# What `examine` asks about: no step has it.
NOBODYS_TOKEN = TaskToken("countersign-doctor")


class StepFunctions(Engine):
    """One region of one account, through the credentials that the process finds."""

    limits = Limits(output=262_144, error=256, cause=32_768)

    def __init__(self, config: EngineConfig) -> None:
        try:
            self._client = session(config).client(
                "stepfunctions",
                region_name=config.region or None,
                endpoint_url=config.endpoint_url or None,
                config=CLIENT,
            )
        except (boto.BotoCoreError, ValueError) as error:
            raise EngineUnavailable(str(error), code=type(error).__name__) from None
        host = urlsplit(self._client.meta.endpoint_url).hostname or ""
        self._is_aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

    def succeed(self, token: TaskToken, output: str) -> None:
        self._call("send_task_success", token, output=output)

    def fail(self, token: TaskToken, error: str, cause: str) -> None:
        self._call("send_task_failure", token, error=error, cause=cause)

    def heartbeat(self, step: Step) -> None:
        assert step.token
        self._call("send_task_heartbeat", step.token)

    def find_out(self, step: Step, decision_id: str) -> Fate:
        """Read the execution and its history; a blank `decision_id` asks only if the step waits.

        Raises `EngineUnavailable` where a later look may tell more.
        """
        if not step.execution_id:
            return Fate.UNKNOWN
        about: dict[str, Any] = {"executionArn": step.execution_id}
        execution = self._look_up("describe_execution", about)
        if execution is None:
            return Fate.UNKNOWN
        running = execution["status"] == "RUNNING"
        if not running and not decision_id:
            return Fate.OTHERWISE
        history = History(step, decision_id)
        about |= {"reverseOrder": True, "maxResults": 1000}
        while history.wants_more():
            page = self._look_up("get_execution_history", about)
            if page is None:
                return Fate.UNKNOWN
            history.add(page["events"], last="nextToken" not in page)
            about |= {"nextToken": page.get("nextToken")}
        return history.fate(running)

    def console_url(self, step: Step) -> str:
        arn = EXECUTION_ARN.fullmatch(step.execution_id)
        if not arn or not self._is_aws:  # an emulator has no console
            return ""
        partition, region = arn.groups()
        return (
            f"https://{region}.{CONSOLES[partition]}/states/home?region={region}"
            f"#/v2/executions/details/{quote(arn[0], safe=':/')}"
        )

    def examine(self) -> Iterator[Finding]:
        answer = self._ask("send_task_heartbeat", NOBODYS_TOKEN)
        if isinstance(answer, CallbackRefused):  # "invalid token": it was permitted to ask
            yield Finding(Level.OK, "Step Functions answers and lets us send heartbeats.")
        else:
            yield Finding(
                Level.BAD, str(answer), "Allow states:SendTaskHeartbeat (deploy/iam-policy.json)."
            )

    def _call(self, operation: str, token: TaskToken, **rest: str) -> None:
        answer = self._ask(operation, token, **rest)
        if isinstance(answer, EngineError):
            raise answer

    def _look_up(self, operation: str, about: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None where it is not ours to see."""
        answer = self._ask(operation, None, **about)
        if not isinstance(answer, EngineError):
            return answer
        if NOT_TO_BE_SEEN.fullmatch(answer.code):
            return None
        raise EngineUnavailable(f"The look-up failed. {answer}", code=answer.code)

    def _ask(
        self, operation: str, token: TaskToken | None, **rest: Any
    ) -> dict[str, Any] | EngineError:
        """One HTTP call. Errors are returned, to be raised with no exception of botocore's near."""
        call = getattr(self._client, operation)
        try:
            answer: dict[str, Any] = (
                call(taskToken=token.reveal(), **rest) if token else call(**rest)
            )
        except Exception as error:  # whatever it is: was the call taken or not?
            return self._read(error, operation, token)
        if "json" not in answer["ResponseMetadata"]["HTTPHeaders"].get("content-type", ""):
            return OutcomeUnknown("Something else answered.", code="NotStepFunctions")
        return answer

    def _read(self, error: Exception, operation: str, token: TaskToken | None) -> EngineError:
        """The exception for what botocore raised, in words of our own."""
        name = type(error).__name__
        if isinstance(error, boto.ClientError):
            own = error.operation_name == self._client.meta.method_to_api_mapping[operation]
            return _read_answer(error, token) if own else _not_taken(error, token)
        if isinstance(error, boto.ParamValidationError):
            return CallbackRefused("The token or the answer is blank or malformed.", code=name)
        if isinstance(error, NOT_SENT) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return EngineUnavailable(f"Step Functions could not be reached ({name}).", code=name)
        return OutcomeUnknown(f"The answer of Step Functions was lost ({name}).", code=name)


def _read_answer(error: boto.ClientError, token: TaskToken | None) -> EngineError:
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    if code == "TaskTimedOut":
        return TaskGone("The step no longer waits: closed, timed out or stopped.", code=code)
    if code in REFUSALS:
        return CallbackRefused(REFUSALS[code], code=code)
    if status >= 500 and code not in THROTTLED:
        return OutcomeUnknown(f"Step Functions answered {status} ({code}).", code=code)
    return _not_taken(error, token)


def _not_taken(error: boto.ClientError, token: TaskToken | None) -> EngineUnavailable:
    """With the vendor's words, which name the missing permission, unless they repeat the token."""
    code = error.response["Error"]["Code"]
    words = str(error.response["Error"].get("Message") or "")[:500]
    if not words or (token and token.reveal()[:16] in words):
        words = "no further words"
    return EngineUnavailable(f"Step Functions did not take the call ({code}): {words}", code=code)
