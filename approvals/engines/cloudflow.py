"""CALLBACK OUT, the far end: Alibaba Cloud CloudFlow; the only engine file with its SDK.

What surely was not taken is *unavailable*: no connection, no credentials, throttled, not permitted;
someone can mend these, so the decision is kept and the reason shown. Whatever may have been taken
is *unknown*: a connection lost after the request went out, a time-out, any 5xx. Any other 4xx is
*refused*, codes that nobody has written down included: the vendor has read the call and will not
take it, so operators see it, with its code, and can send it again.

CloudFlow has no heartbeats: whether a step waits is looked up. An execution is found by two names,
so `execution_id` is `flow/NAME/execution/NAME` (intake/context.py makes it of a message's context);
without it nothing can be looked up. The task token travels in the query string and is therefore in
the text of many exceptions of the SDK: nothing is raised while one of them is at hand.
"""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from alibabacloud_credentials.client import Client as Credentials
from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_fnf20190315 import models as api
from alibabacloud_fnf20190315.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

from approvals.engines.alibaba import credentials
from approvals.engines.base import Engine, EngineConfig, Fate, Limits, Pace, Step
from approvals.engines.cloudflow_history import Event, History
from approvals.errors import (
    CallbackRefused,
    EngineError,
    EngineUnavailable,
    OutcomeUnknown,
    TaskGone,
)
from approvals.findings import Finding, Level
from approvals.tokens import TaskToken

# Both may print whole addresses, tokens included: the first where the environment says DEBUG=sdk,
# the second where an answer's head is malformed.
logging.getLogger("darabonba-core").disabled = True
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
REFUSALS = {
    "EntityTooLarge": "The answer is larger than CloudFlow takes.",
    "InvalidArgument": "CloudFlow does not take the token or the answer: malformed, or of another "
    "account or region.",
}
# About the caller or the moment, not about the answer.
NOT_TAKEN = re.compile(
    r"Throttling.*|ResourceThrottled|ResourceExhausted|QpsLimitExceeded|AccessDenied.*|Forbidden.*"
    r"|NoPermission.*|Unauthorized.*|InvalidAccessKeyI[dD].*|Signature.*|InvalidSignature.*"
    r"|InvalidSecurityToken.*|InvalidTimeStamp.*|MissingAccessKeyId|MissingSecurityToken"
    r"|ServiceNotOpened.*|ServiceUnavailable",
)
# Raised before the request goes out.
NOT_SENT = (NewConnectionError, ConnectTimeoutError, ProxyError)
UNKNOWN_EXECUTION = {"FlowNotExists", "ExecutionNotExists"}
# A look-up that these stop will fare no better later.
NOT_TO_BE_SEEN = re.compile(
    r"FlowNotExists|ExecutionNotExists|InvalidArgument|MissingRequired.*|AccessDenied.*|Forbidden.*"
    r"|NoPermission.*"
)
EXECUTION = re.compile(r"flow/([A-Za-z0-9_-]{1,128})/execution/([A-Za-z0-9_-]{1,128})")
REGION = re.compile(r"[a-z]{2}(-[a-z0-9]+)+")
RUNNING = {"Starting", "Running"}
# What `examine` asks about: no step and no execution has it.
NOBODYS = "countersign-doctor"


class Answer(Protocol):
    """What the SDK hands back; `body` differs by call."""

    body: Any


class CloudFlow(Engine):
    """One region of one account, by the connection's access key or the process' own identity."""

    limits = Limits(output=65_536, error=128, cause=4_096)
    pace = Pace(per_second=2, burst=10)

    def __init__(self, config: EngineConfig) -> None:
        if not config.endpoint_url and not REGION.fullmatch(config.region):
            raise EngineUnavailable(
                "CloudFlow needs a region, such as cn-hangzhou.", code="InvalidRegion"
            )
        address = urlsplit(config.endpoint_url or f"https://{config.region}.fnf.aliyuncs.com")
        self._client = Client(
            Config(
                credential=Credentials(provider=credentials(config)),
                endpoint=address.netloc,
                protocol=address.scheme,
                region_id=config.region,
                connect_timeout=int(CONNECT_SECONDS * 1000),
                read_timeout=int(READ_SECONDS * 1000),
            )
        )

    def succeed(self, token: TaskToken, output: str) -> None:
        self._report(
            token,
            lambda: self._client.report_task_succeeded(
                api.ReportTaskSucceededRequest(task_token=token.reveal(), output=output)
            ),
        )

    def fail(self, token: TaskToken, error: str, cause: str) -> None:
        # Neither may be blank here.
        self._report(
            token,
            lambda: self._client.report_task_failed(
                api.ReportTaskFailedRequest(
                    task_token=token.reveal(),
                    error=error or "Rejected",
                    cause=cause or "No reason was given.",
                )
            ),
        )

    @classmethod
    def can_be_asked(cls, execution_id: str) -> bool:
        return bool(EXECUTION.fullmatch(execution_id))  # knows no heartbeats, but executions

    def heartbeat(self, step: Step) -> None:
        """Look whether the execution runs. Without its names, or where another step of it runs,
        this can't tell that ours has ended."""
        names = EXECUTION.fullmatch(step.execution_id)
        if not names:
            return
        execution = self._describe(*names.groups())
        if isinstance(execution, EngineError):
            raise execution
        if execution.status not in RUNNING:
            raise TaskGone("The execution has ended.", code=str(execution.status))

    def find_out(self, step: Step, decision_id: str) -> Fate:
        """Read the execution and its history; a blank `decision_id` asks only if the step waits.

        Raises `EngineUnavailable` where a later look may tell more.
        """
        if not (names := EXECUTION.fullmatch(step.execution_id)):
            return Fate.UNKNOWN
        flow, name = names.groups()
        execution = _seen(self._describe(flow, name))
        if execution is None:
            return Fate.UNKNOWN
        running = execution.status in RUNNING
        if decision_id and decision_id in (execution.output or ""):
            return Fate.OURS
        if not running and not decision_id:
            return Fate.OTHERWISE
        history, more = History(step.state, decision_id), None
        while history.wants_more():
            page = _seen(self._page(flow, name, more))
            if page is None or page.events is None:
                return Fate.UNKNOWN
            more = page.next_token
            history.add(list(map(_event, page.events)), last=not more)
        return history.fate(running)

    def examine(self) -> Iterator[Finding]:
        found = self._describe(NOBODYS, NOBODYS)
        if isinstance(found, EngineError) and found.code not in UNKNOWN_EXECUTION:
            yield Finding(
                Level.BAD,
                str(found),
                "Allow fnf:DescribeExecution and fnf:GetExecutionHistory: without them a lost "
                "answer and a stopped execution can't be looked up.",
            )
        else:
            yield Finding(Level.OK, "CloudFlow answers and lets us look at executions.")
        try:
            self.succeed(TaskToken(NOBODYS), "{}")
        except CallbackRefused:  # the token is nobody's: we were permitted to try
            yield Finding(Level.OK, "CloudFlow lets us report how tasks end.")
        except EngineError as error:
            yield Finding(
                Level.BAD,
                str(error),
                "Check the access key; allow fnf:ReportTaskSucceeded and fnf:ReportTaskFailed.",
            )

    def _report(self, token: TaskToken, call: Callable[[], Answer]) -> None:
        answer = _ask(call, token)
        if isinstance(answer, EngineError):
            raise answer
        if getattr(answer, "event_id", None) is None:
            raise OutcomeUnknown("Something else answered.", code="NotCloudFlow")

    def _describe(self, flow: str, execution: str) -> Any:
        request = api.DescribeExecutionRequest(flow_name=flow, execution_name=execution)
        return _looked_up(_ask(lambda: self._client.describe_execution(request)))

    def _page(self, flow: str, execution: str, more: str | None) -> Any:
        request = api.GetExecutionHistoryRequest(
            flow_name=flow, execution_name=execution, limit=999, next_token=more
        )
        return _ask(lambda: self._client.get_execution_history(request))


def _seen(answer: Any) -> Any:
    """The answer; None where it is not ours to see."""
    if not isinstance(answer, EngineError):
        return answer
    if NOT_TO_BE_SEEN.fullmatch(answer.code):
        return None
    raise EngineUnavailable(f"The look-up failed. {answer}", code=answer.code)


def _event(event: Any) -> Event:
    return Event(event.type or "", event.step_name or "", event.event_detail or "")


def _looked_up(answer: Any) -> Any:
    """An execution without a status was described by somebody else."""
    if isinstance(answer, EngineError) or answer.status:
        return answer
    return OutcomeUnknown("Something else answered.", code="NotCloudFlow")


def _ask(call: Callable[[], Answer], token: TaskToken | None = None) -> Any:
    """One HTTP call: the body of its answer, or the error to be raised once the SDK's is gone."""
    try:
        return call().body
    except AlibabaCloudException as error:
        return _read_answer(error, token)
    except Exception as error:  # whatever it is: was the call taken or not?
        return _read_failure(error)


def _read_answer(error: AlibabaCloudException, token: TaskToken | None) -> EngineError:
    code, status = str(error.code), int(error.status_code or 0)
    if code == "TaskAlreadyCompleted":
        return TaskGone("The step no longer waits: answered, timed out or stopped.", code=code)
    if status in (401, 403, 429) or NOT_TAKEN.fullmatch(code):
        words = _words(error, token)
        return EngineUnavailable(f"CloudFlow did not take the call ({code}): {words}", code=code)
    if not 400 <= status < 500:
        return OutcomeUnknown(f"CloudFlow answered {status} ({code}).", code=code)
    words = REFUSALS.get(code) or f"CloudFlow refused the call ({code}): {_words(error, token)}"
    return CallbackRefused(words, code=code)


def _read_failure(error: BaseException) -> EngineError:
    """For a call that brought no answer of CloudFlow's."""
    chain = list(_chain(error))
    if any(isinstance(one, CredentialException) for one in chain):
        return EngineUnavailable(
            "No credentials for Alibaba Cloud were found.", code="NoCredentials"
        )
    for one in chain:
        if isinstance(one, NOT_SENT) or "CERTIFICATE_VERIFY_FAILED" in str(one):
            name = type(one).__name__
            return EngineUnavailable(f"CloudFlow could not be reached ({name}).", code=name)
    name = type(chain[-1]).__name__
    return OutcomeUnknown(f"The answer of CloudFlow was lost ({name}).", code=name)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those it came from; the SDK keeps one of them in an attribute of its own."""
    at: BaseException | None = error
    while at is not None:
        yield at
        at = getattr(at, "inner_exception", None) or at.__cause__ or at.__context__


def _words(error: AlibabaCloudException, token: TaskToken | None) -> str:
    """The vendor's words, which name the missing permission, unless they repeat the token."""
    words = str((error.data or {}).get("Message") or "")[:500]
    secret = token.reveal()[:16] if token else ""
    if not words or (secret and (secret in words or quote(secret, safe="") in words)):
        return "no further words"
    return words
