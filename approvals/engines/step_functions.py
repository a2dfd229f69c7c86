"""CALLBACK OUT, the far end: AWS Step Functions, one call a try.

What surely was not taken is *unavailable*: no connection, no credentials, throttled, not
permitted, a key in the way; someone can mend these, so the decision is kept and the reason shown.
Whatever may have been taken is *unknown*: a connection lost after the request went out, a
time-out, any 5xx. Nothing here repeats a vendor's words about the token, and nothing is raised
while botocore's exception is at hand: it carries the request.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from botocore import exceptions as boto
from botocore.config import Config

from approvals.engines import aws
from approvals.engines.base import Engine, EngineConfig, Fate, Limits, Step, Times
from approvals.engines.step_functions_definition import Definitions, states_of
from approvals.engines.step_functions_examine import examine
from approvals.engines.step_functions_history import History
from approvals.errors import (
    CallbackRefused,
    EngineError,
    EngineUnavailable,
    OutcomeUnknown,
    TaskGone,
)
from approvals.findings import Finding
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
# Whose token it may be is not known to a look-up.
LIKE_A_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]{64}")
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


class StepFunctions(Engine):
    """One region of one account, as the process itself or in a role of that account."""

    limits = Limits(output=262_144, error=256, cause=32_768)
    has_definitions = True

    def __init__(self, config: EngineConfig) -> None:
        try:
            self._session = aws.session(config)
            self._credentials = self._session.get_credentials()
            self._client = self._session.client(
                "stepfunctions",
                region_name=config.region or None,
                endpoint_url=config.endpoint_url or None,
                config=CLIENT,
            )
        except (boto.BotoCoreError, ValueError) as error:
            raise EngineUnavailable(str(error), code=type(error).__name__) from None
        self._config = config
        self._definitions = Definitions()
        self._is_aws = aws.is_aws(self._client.meta.endpoint_url)

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
        try:
            return self._find_out(step, decision_id)
        except CallbackRefused:
            return Fate.UNKNOWN

    def _find_out(self, step: Step, decision_id: str) -> Fate:
        about: dict[str, Any] = {"executionArn": step.execution_id}
        running = self._look_up("describe_execution", about)["status"] == "RUNNING"
        if not running and not decision_id:
            return Fate.OTHERWISE
        history = History(step, decision_id)
        about |= {"reverseOrder": True, "maxResults": 1000}
        while history.wants_more():
            page = self._look_up("get_execution_history", about)
            history.add(page["events"], last="nextToken" not in page)
            about |= {"nextToken": page.get("nextToken")}
        return history.fate(running)

    def times(self, step: Step) -> Times:
        """Read the definition that the execution runs; what was read is good for a minute."""
        if not step.execution_id:
            return Times()
        states = self._definitions.get(step.execution_id)
        if states is None or (isinstance(states, dict) and step.state not in states):
            states = self._read_definition(step.execution_id)
            if isinstance(states, dict):
                states.setdefault(step.state, Times())  # not there is an answer too
            self._definitions.keep(step.execution_id, states)
        if isinstance(states, CallbackRefused):
            raise CallbackRefused(str(states), code=states.code)
        return states.get(step.state, Times())

    def _read_definition(self, execution_id: str) -> dict[str, Times] | CallbackRefused:
        """A missing permission is remembered too; an execution unknown for now is not."""
        about = {"executionArn": execution_id}
        try:
            answer = self._look_up("describe_state_machine_for_execution", about)
        except CallbackRefused as error:
            if not error.code.startswith(("AccessDenied", "KmsAccessDenied")):
                raise
            return error
        return states_of(answer["definition"])

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
        return examine(self._ask, self._session, self._config)

    def _call(self, operation: str, token: TaskToken, **rest: str) -> None:
        answer = self._ask(operation, token, **rest)
        if isinstance(answer, EngineError):
            raise answer

    def _look_up(self, operation: str, about: dict[str, Any]) -> dict[str, Any]:
        """The answer. Raises `CallbackRefused` where it is not ours to see, else
        `EngineUnavailable`."""
        answer = self._ask(operation, None, **about)
        if not isinstance(answer, EngineError):
            return answer
        if NOT_TO_BE_SEEN.fullmatch(answer.code):
            raise CallbackRefused(str(answer), code=answer.code)
        raise EngineUnavailable(f"The look-up failed. {answer}", code=answer.code)

    def _ask(
        self, operation: str, token: TaskToken | None, **rest: Any
    ) -> dict[str, Any] | EngineError:
        """One HTTP call. Errors are returned, to be raised with no exception of botocore's near."""
        if problem := self._credentials_problem():
            return problem
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

    def _credentials_problem(self) -> EngineUnavailable | None:
        """Fetch or renew them, before the call: what is lost here was no call to the engine."""
        try:
            if self._credentials:
                self._credentials.get_frozen_credentials()
        except Exception as error:  # of another service: STS, a metadata service, single sign-on
            code, words = aws.said(error)
            return EngineUnavailable(f"No credentials to call with ({code}). {words}", code=code)
        return None

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
    if not words or LIKE_A_TOKEN.search(words) or (token and token.reveal()[:16] in words):
        words = "no further words"
    return EngineUnavailable(f"Step Functions did not take the call ({code}): {words}", code=code)
