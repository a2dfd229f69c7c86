"""CloudFlow's API 2019-03-15, as far as callbacks and looking up need it."""

import base64
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

import yaml

from demo.alibaba.flows import Flow, State, filled, read
from demo.alibaba.mns import Queues
from demo.alibaba.signatures import Key, check_rpc
from demo.alibaba.wire import INSTEAD, Answer, Fault, Faults, Refusal, Request

LARGEST = 65_536


class Call(NamedTuple):
    action: str
    token: str
    at: float  # time.monotonic()


@dataclass(slots=True)
class Execution:
    flow: Flow
    name: str
    input: Any
    data: Any = None  # what the step before has handed on
    status: str = "Running"  # Succeeded, Failed, Stopped, TimedOut
    output: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    stopped_at: datetime | None = None

    @property
    def last_step(self) -> str:
        return next((e["StepName"] for e in reversed(self.events) if e["StepName"]), "")

    def add(self, kind: str, step: str = "", scheduled: int = 0, **detail: Any) -> int:
        number = len(self.events) + 1
        self.events.append(
            {
                "EventId": number,
                "ScheduleEventId": scheduled,
                "StepName": step,
                "Type": kind,
                "EventDetail": json.dumps(detail, ensure_ascii=False),
                "Time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            }
        )
        return number

    def end(self, status: str, output: str = "") -> None:
        self.status, self.output, self.stopped_at = status, output, datetime.now(UTC)
        self.add(f"Execution{status}")


@dataclass(slots=True)
class Waiting:
    """A step that waits for its callback, or what it was told."""

    execution: Execution
    state: State
    scheduled: int  # the event
    answer: tuple[str, ...] | None = None  # (output,) or (error, cause)


class CloudFlow:
    """One region of one account. Thread-safe."""

    def __init__(self, key: Key, queues: Queues) -> None:
        self.faults = Faults()
        self.calls: list[Call] = []  # every signed request that came in, faults included
        self._key, self._queues = key, queues
        self._nonces: set[str] = set()
        self._flows: dict[str, Flow] = {}
        self._executions: dict[tuple[str, str], Execution] = {}
        self._steps: dict[str, Waiting] = {}
        self._lock = threading.RLock()

    # --- from inside ----------------------------------------------------------------------------

    def add_flow(self, flow: Flow) -> None:
        with self._lock:
            self._flows[flow.name] = flow

    def start(self, flow: str, name: str = "", data: Any = None) -> Execution:
        """Start an execution: it runs to its first step that waits."""
        with self._lock:
            if flow not in self._flows:
                raise Refusal(404, "FlowNotExists", f"Flow {flow} does not exist.")
            name = name or str(uuid4())
            known = self._executions.get((flow, name))
            if known and known.status == "Running":
                return known
            if known:
                raise Refusal(409, "ExecutionAlreadyExists", f"Execution {name} already exists.")
            execution = Execution(self._flows[flow], name, data or {}, data or {})
            self._executions[flow, name] = execution
            execution.add("ExecutionStarted", input=execution.input)
            self._enter(execution, execution.flow.start)
        return execution

    def stop(self, flow: str, name: str, status: str = "Stopped") -> Execution:
        with self._lock:
            execution = self.execution(flow, name)
            if execution.status == "Running":
                execution.end(status)
        return execution

    def execution(self, flow: str, name: str) -> Execution:
        if flow not in self._flows:
            raise Refusal(404, "FlowNotExists", f"Flow {flow} does not exist.")
        if (flow, name) not in self._executions:
            raise Refusal(404, "ExecutionNotExists", f"Execution {name} does not exist.")
        return self._executions[flow, name]

    def tokens(self, execution: Execution) -> list[str]:
        """The tokens of its steps that have waited or wait, the first one first."""
        return [token for token, step in self._steps.items() if step.execution is execution]

    def answer(self, token: str) -> tuple[str, ...]:
        """What the step was told: (), (output,) or (error, cause)."""
        return self._steps[token].answer or ()

    # --- over HTTP ------------------------------------------------------------------------------

    def handle(self, request: Request) -> Answer:
        try:
            check_rpc(self._key, request, self._nonces)
            given = {**request.query, **request.form}
            action = given.get("Action", "")
            self.calls.append(Call(action, given.get("TaskToken", ""), time.monotonic()))
            fault = self.faults.next(action)
            if fault and fault.name in INSTEAD:
                return self._as_fault(fault)
            with self._lock:
                answer = self._take(action, given)
            if fault:
                return self._as_fault(fault)
        except Refusal as refusal:
            body = {"Code": refusal.code, "Message": refusal.message, "HostId": "127.0.0.1"}
            return _json(body, refusal.status)
        return _json(answer)

    def _as_fault(self, fault: Fault) -> Answer:
        if isinstance(fault.outcome, Refusal):
            raise fault.outcome
        return fault.outcome

    def _take(self, action: str, given: dict[str, str]) -> dict[str, Any]:
        match action:
            case "ReportTaskSucceeded":
                return {"EventId": self._succeeded(given)}
            case "ReportTaskFailed":
                return {"EventId": self._failed(given)}
            case "DescribeExecution":
                return _described(self.execution(_of(given, "FlowName"), _execution_name(given)))
            case "GetExecutionHistory":
                return self._history(given)
            case "StartExecution":
                data = json.loads(given.get("Input") or "{}")
                name = given.get("ExecutionName", "")
                return _described(self.start(_of(given, "FlowName"), name, data))
            case "StopExecution":
                return _described(self.stop(_of(given, "FlowName"), _execution_name(given)))
            case "ListExecutions":
                return self._listed(_of(given, "FlowName"))
            case "CreateFlow" | "UpdateFlow":
                return self._define(given, is_new=action == "CreateFlow")
        raise Refusal(400, "ActionNotSupported", f"The operation {action} is not supported.")

    def _succeeded(self, given: dict[str, str]) -> int:
        step = self._waiting(given)
        output = _of(given, "Output")
        if len(output.encode()) > LARGEST:
            raise Refusal(400, "EntityTooLarge", f"The payload exceeds {LARGEST} bytes.")
        try:
            json.loads(output)
        except ValueError:
            raise Refusal(400, "InvalidArgument", "Output has to be JSON.") from None
        step.answer = (output,)
        run, name = step.execution, step.state.name
        event = run.add("TaskSucceeded", name, step.scheduled, output=output)
        run.add("StepExited", name, output=output)
        run.data = json.loads(output)
        self._enter(run, step.state.next)
        return event

    def _failed(self, given: dict[str, str]) -> int:
        step = self._waiting(given)
        error, cause = _of(given, "Error"), given.get("Cause")
        if not 1 <= len(error) <= 128:
            raise Refusal(400, "InvalidArgument", "Error has to have 1 to 128 characters.")
        if cause is not None and not 1 <= len(cause) <= 4_096:
            raise Refusal(400, "InvalidArgument", "Cause has to have 1 to 4096 characters.")
        step.answer = (error, cause or "")
        run, name = step.execution, step.state.name
        event = run.add("TaskFailed", name, step.scheduled, error=error, cause=cause)
        run.add("StepExited", name, error=error, cause=cause)
        if error in step.state.catches:
            run.data = {"error": error, "cause": cause}
            self._enter(run, step.state.catches[error])
        else:
            run.end("Failed")
        return event

    def _history(self, given: dict[str, str]) -> dict[str, Any]:
        run = self.execution(_of(given, "FlowName"), _execution_name(given))
        first = int(given.get("NextToken") or 0)
        last = first + int(given.get("Limit") or 60)
        more = {"NextToken": str(last)} if last < len(run.events) else {}
        return {"Events": run.events[first:last], **more}

    def _listed(self, flow: str) -> dict[str, Any]:
        """All of them, the newest first; the vendor's pages are not imitated."""
        runs = [run for (name, _), run in self._executions.items() if name == flow]
        return {"Executions": [_described(run) for run in reversed(runs)]}

    def _define(self, given: dict[str, str], is_new: bool) -> dict[str, Any]:
        name = _of(given, "Name")
        if is_new == (name in self._flows):
            code = "FlowAlreadyExists" if is_new else "FlowNotExists"
            raise Refusal(409 if is_new else 404, code, f"{code}: {name}")
        try:
            flow = read(yaml.safe_load(_of(given, "Definition")), name)
        except (yaml.YAMLError, KeyError, TypeError):
            raise Refusal(400, "InvalidArgument", "The definition can't be read.") from None
        self.add_flow(flow)
        return {"Name": name}

    def _waiting(self, given: dict[str, str]) -> Waiting:
        step = self._steps.get(_of(given, "TaskToken"))
        if step is None:
            raise Refusal(400, "InvalidArgument", "The task token is invalid.")
        if step.answer is not None or step.execution.status != "Running":
            raise Refusal(400, "TaskAlreadyCompleted", "The task has already completed.")
        return step

    # --- running --------------------------------------------------------------------------------

    def _enter(self, run: Execution, name: str) -> None:
        """Run from the state `name` on until one waits or all are done."""
        while name:
            state = run.flow.states[name]
            run.add("StepEntered", name, input=run.data)
            if state.waits:
                self._wait(run, state)
                return
            run.add("StepExited", name)
            if state.kind == "fail":
                run.end("Failed")
                return
            name = state.after(run.data)
        run.end("Succeeded", json.dumps(run.data))

    def _wait(self, run: Execution, state: State) -> None:
        token = base64.b64encode(f"v1#a#{uuid4()}#{secrets.token_urlsafe(40)}".encode()).decode()
        scheduled = run.add("TaskScheduled", state.name)
        self._steps[token] = Waiting(run, state, scheduled)
        text = json.dumps(filled(state.message, _roots(run, state, token)), ensure_ascii=False)
        if state.queue:
            body = base64.b64encode(text.encode()).decode() if state.in_base64 else text
            self._queues.send(state.queue, body)
        if state.url:
            threading.Thread(target=self._post, args=(run, state, text), daemon=True).start()
        run.add("TaskStarted", state.name, scheduled)
        run.add("TaskSubmitted", state.name, scheduled)

    def _post(self, run: Execution, state: State, text: str) -> None:
        headers = {"Content-Type": "application/json", **state.headers}
        request = urllib.request.Request(state.url, text.encode(), headers, method="POST")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            direct.open(request, timeout=10).close()
        except (urllib.error.URLError, OSError) as error:
            with self._lock:
                run.add("TaskFailed", state.name, error="HTTPError", cause=str(error))
                if run.status == "Running":
                    run.end("Failed")


def _roots(run: Execution, state: State, token: str) -> dict[str, Any]:
    """What expressions may name: `$Context` and `$Input`, and `$context` and `$input` of old."""
    return {
        "Context": {
            "Execution": {"Name": run.name, "Input": run.input, "RoleArn": "acs:ram::1:role/flows"},
            "Current": {
                "Name": state.name,
                "Input": run.data,
                "RetryCount": 0,
                "TaskToken": token,
            },
        },
        "Input": run.data,
        "context": {"task": {"token": token}},
        "input": run.input,
    }


def _described(run: Execution) -> dict[str, Any]:
    return {
        "FlowName": run.flow.name,
        "Name": run.name,
        "Status": run.status,
        "Input": json.dumps(run.input),
        "Output": run.output,
        "StartedTime": run.started_at.isoformat(),
        "StoppedTime": run.stopped_at.isoformat() if run.stopped_at else "",
    }


def _of(given: dict[str, str], name: str) -> str:
    if not given.get(name):
        raise Refusal(400, "MissingRequiredParams", f"The parameter {name} has to be given.")
    return given[name]


def _execution_name(given: dict[str, str]) -> str:
    return _of(given, "ExecutionName")


def _json(body: dict[str, Any], status: int = 200) -> Answer:
    return Answer(status, json.dumps({**body, "RequestId": str(uuid4())}).encode())
