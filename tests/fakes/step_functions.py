"""Our own fake Step Functions: the error table of AWS, clocks that run out, faults by name.

    with FakeStepFunctions() as fake:
        token = fake.create_step(heartbeat_seconds=60)
        fake.fault("accept_and_drop")
        …
        assert fake.fired("accept_and_drop") == 1

For benchmarks it runs as a process that takes every token, prints its port, and tells what came in
at `GET /stats` and `GET /received[?token=…]` (receive times of `time.monotonic_ns`):

    python -m tests.fakes.step_functions --port 0 --latency-ms 0 --any-token
"""

import argparse
import json
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from tests.fakes.aws_server import AwsServer, End, Reply, Request
from tests.fakes.executions import FakeExecution, FakeStep, new_execution_arn, new_token
from tests.fakes.sts import FakeSts

ERROR_TYPE = "com.amazonaws.swf.service.v2.model#"
LENGTHS = {"taskToken": 2048, "output": 262_144, "error": 256, "cause": 32_768}


class Refusal(Exception):
    """An error answer of AWS."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        body = {"__type": ERROR_TYPE + code, "message": message}
        self.reply = Reply(status, json.dumps(body).encode())


# What replaces the answer, once the call was taken.
AFTER_THE_CALL = {
    "accept_and_drop": Reply(end=End.DROP),
    "accept_and_cut": Reply(end=End.CUT),
    "accept_and_500": Refusal("InternalFailure", "The request processing has failed", 500).reply,
    "hang": Reply(end=End.HANG),
}
# What comes instead of the call.
INSTEAD = {
    "reset": Reply(end=End.RESET),
    "error_500": Refusal("InternalFailure", "The request processing has failed", 500).reply,
    "unavailable": Reply(503, b"<html><body>503 Service Unavailable</body></html>"),
    "throttle": Refusal("ThrottlingException", "Rate exceeded").reply,
    "throttle_429": Reply(429, b""),
    "kms_denied": Refusal("KmsAccessDeniedException", "The key policy denies access").reply,
    "access_denied": Refusal(
        "AccessDeniedException", "User is not authorized to perform: states:SendTask"
    ).reply,
    "expired_credentials": Refusal("ExpiredTokenException", "The security token has expired").reply,
    "wrong_clock": Refusal(
        "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than …"
    ).reply,
    "wrong_server": Reply(200, b"<html>Please sign in</html>", content_type="text/html"),
}
FAULTS = {*AFTER_THE_CALL, *INSTEAD, "slow"}


class Call(NamedTuple):
    action: str
    token: str
    at: float  # time.monotonic()
    key: str = ""  # the access key id that it was signed with


@dataclass(slots=True)
class Fault:
    name: str
    times: int | None  # None: until cleared
    action: str  # blank: any
    seconds: float  # of `slow` and `hang`; a hang of 0 never ends
    words: str  # instead of the usual message


@dataclass
class FakeStepFunctions:
    """One region of one account. Thread-safe; usable as a context manager."""

    any_token: bool = False
    latency: float = 0.0  # seconds
    port: int = 0
    calls: list[Call] = field(default_factory=list)  # every request that came in, faults included

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._steps: dict[str, FakeStep] = {}
        self._executions: dict[str, FakeExecution] = {}
        self._faults: list[Fault] = []
        self._fired: Counter[str] = Counter()
        self._received: defaultdict[str, list[int]] = defaultdict(list)  # with `any_token`
        self._stats: Counter[str] = Counter()
        self.sts = FakeSts()  # at the same address
        self.definitions: dict[str, str] = {}  # by state machine; see `define`
        self.server = AwsServer(self._handle_any if self.any_token else self._handle, self.port)
        self.url = self.server.url

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    # --- for tests ------------------------------------------------------------------------------

    def create_step(
        self,
        execution: str = "",
        state: str = "Approve",
        heartbeat_seconds: float | None = None,
        timeout_seconds: float | None = None,
        *,
        last: bool = True,
        retry_of: str = "",
    ) -> str:
        """A step that waits from now on; its token."""
        arn = execution or new_execution_arn()
        with self._lock:
            run = self._executions.setdefault(arn, FakeExecution(arn))
            step = FakeStep(new_token(), run, state, heartbeat_seconds, timeout_seconds, last)
            step.enter(self._steps.get(retry_of))
            self._steps[step.token] = step
        return step.token

    def step(self, token: str) -> FakeStep:
        with self._lock:
            self._steps[token].tick()
            return self._steps[token]

    def stop_execution(self, execution: str) -> None:
        with self._lock:
            for step in self._steps_of(execution):
                step.status = "stopped" if step.status == "waiting" else step.status
            run = self._executions[execution]
            run.status = "ABORTED"
            run.add("ExecutionAborted", 0)

    def fault(
        self,
        name: str,
        times: int | None = 1,
        *,
        action: str = "",
        seconds: float = 0.0,
        words: str = "",
    ) -> None:
        """Switch a fault on for the next `times` calls, or until `clear_faults`."""
        if name not in FAULTS:
            raise ValueError(f"No fault {name!r}; there are {sorted(FAULTS)}")
        if name == "slow" and not seconds:
            raise ValueError("How many seconds slow?")
        with self._lock:
            self._faults.append(Fault(name, times, action, seconds, words))

    def clear_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    def fired(self, name: str) -> int:
        return self._fired[name]

    def count(self, action: str) -> int:
        return sum(call.action == action for call in self.calls)

    def define(self, execution: str, definition: dict[str, Any]) -> None:
        """What the state machine of `execution` says; else just its steps that were created."""
        self.definitions[_machine(execution)] = json.dumps(definition)

    # --- over HTTP ------------------------------------------------------------------------------

    def _handle_any(self, request: Request) -> Reply:
        """For benchmarks: take everything, note when."""
        if request.method == "GET":
            return self._tell(urlsplit(request.target))
        self._stats[request.action] += 1
        self._received[json.loads(request.body)["taskToken"]].append(time.monotonic_ns())
        return Reply(delay=self.latency)

    def _tell(self, url: SplitResult) -> Reply:
        asked = parse_qs(url.query).get("token")
        answers: dict[str, Any] = {
            "/stats": self._stats,
            "/received": self._received.get(asked[0], []) if asked else self._received,
        }
        if url.path not in answers:
            return Reply(404)
        return Reply(body=json.dumps(answers[url.path]).encode())

    def _handle(self, request: Request) -> Reply:
        with self._lock:
            action, values = _read(request)
            token = values.get("taskToken", "")
            self.calls.append(Call(action, token, time.monotonic(), request.key))
            fault = self._next_fault(action)
            if fault and fault.name in INSTEAD:
                usual = INSTEAD[fault.name]
                return replace(usual, body=_reworded(usual.body, fault.words))
            reply = (
                self._answer(action, values)
                if request.action
                else self.sts.answer(values, request.key)
            )
            if fault and fault.seconds:
                return replace(reply, delay=fault.seconds)
            reply = AFTER_THE_CALL[fault.name] if fault else reply
            return replace(reply, delay=self.latency)

    def _next_fault(self, action: str) -> Fault | None:
        for fault in self._faults:
            if fault.action in ("", action):
                self._fired[fault.name] += 1
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                return fault
        return None

    def _answer(self, action: str, values: dict[str, Any]) -> Reply:
        try:
            _check_lengths(values)
            match action:
                case "SendTaskSuccess":
                    answer = self._succeed(values)
                case "SendTaskFailure":
                    answer = self._fail(values)
                case "SendTaskHeartbeat":
                    answer = self._heartbeat(values)
                case "DescribeExecution":
                    answer = self._describe(values)
                case "GetExecutionHistory":
                    answer = self._history(values)
                case "DescribeStateMachineForExecution":
                    answer = self._definition(values)
                case _:
                    raise Refusal("UnknownOperationException", "")
        except Refusal as refusal:
            return refusal.reply
        return Reply(body=json.dumps(answer).encode())

    def _succeed(self, values: dict[str, Any]) -> dict[str, Any]:
        step = self._waiting(values["taskToken"])
        try:
            json.loads(values["output"])
        except ValueError:
            raise Refusal("InvalidOutput", "Invalid Output: 'Invalid JSON'") from None
        step.end("succeeded", output=values["output"])
        return {}

    def _fail(self, values: dict[str, Any]) -> dict[str, Any]:
        step = self._waiting(values["taskToken"])
        step.end("failed", error=values.get("error"), cause=values.get("cause"))
        return {}

    def _heartbeat(self, values: dict[str, Any]) -> dict[str, Any]:
        self._waiting(values["taskToken"]).heartbeats.append(time.monotonic())
        return {}

    def _describe(self, values: dict[str, Any]) -> dict[str, Any]:
        run = self._execution(values)
        return {
            "executionArn": run.arn,
            "stateMachineArn": _machine(run.arn),
            "status": run.status,
            "startDate": run.events[0]["timestamp"],
        }

    def _history(self, values: dict[str, Any]) -> dict[str, Any]:
        events = self._execution(values).events
        events = events[::-1] if values.get("reverseOrder") else events
        start = int(values.get("nextToken") or 0)
        end = start + (values.get("maxResults") or 100)
        more = {"nextToken": str(end)} if end < len(events) else {}
        return {"events": events[start:end], **more}

    def _definition(self, values: dict[str, Any]) -> dict[str, Any]:
        run = self._execution(values)
        machine = _machine(run.arn)
        states = {step.state: step.definition() for step in self._steps_of(run.arn)}
        return {
            "stateMachineArn": machine,
            "name": machine.rpartition(":")[2],
            "definition": self.definitions.get(machine) or json.dumps({"States": states}),
            "roleArn": "arn:aws:iam::123456789012:role/refunds",
            "updateDate": run.events[0]["timestamp"],
        }

    def _waiting(self, token: str) -> FakeStep:
        if token not in self._steps:
            raise Refusal("InvalidToken", "Invalid Token: 'Invalid token'")
        step = self.step(token)
        if step.status != "waiting":
            raise Refusal("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        return step

    def _execution(self, values: dict[str, Any]) -> FakeExecution:
        arn = values["executionArn"]
        if arn not in self._executions:
            raise Refusal("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        for step in self._steps_of(arn):
            step.tick()
        return self._executions[arn]

    def _steps_of(self, arn: str) -> list[FakeStep]:
        return [step for step in self._steps.values() if step.execution.arn == arn]


def _machine(execution: str) -> str:
    return execution.replace(":execution:", ":stateMachine:").rpartition(":")[0]


def _read(request: Request) -> tuple[str, dict[str, Any]]:
    """The action and its values; STS alone sends them as a form."""
    if request.action:
        return request.action, json.loads(request.body)
    values = dict(parse_qsl(request.body.decode()))
    return values["Action"], values


def _check_lengths(values: dict[str, Any]) -> None:
    """AWS repeats the value, however secret."""
    for name, longest in LENGTHS.items():
        value = values.get(name) or ""
        if len(value.encode()) > longest:
            raise Refusal(
                "ValidationException",
                f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
                f"constraint: Member must have length less than or equal to {longest}",
            )


def _reworded(body: bytes, words: str) -> bytes:
    return json.dumps({**json.loads(body), "message": words}).encode() if words else body


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake Step Functions that takes every token.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--any-token", action="store_true", help="else every token is refused")
    options = parser.parse_args()
    fake = FakeStepFunctions(options.any_token, options.latency_ms / 1000, options.port)
    print(fake.server.port, flush=True)  # noqa: T201  for whoever started it
    fake.server.serve_forever()


if __name__ == "__main__":
    main()
