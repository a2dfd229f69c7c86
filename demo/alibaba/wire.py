"""Requests, answers and faults, as both services of the stand-in see them."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, urlsplit


class End(Enum):
    """What happens to the connection with the answer."""

    KEEP = "the answer goes out, the connection stays"
    DROP = "closed without a byte"
    HANG = "nothing, ever"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json;charset=utf-8"
    end: End = End.KEEP


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str  # path and query, as it came
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Refusal(Exception):
    """An error answer of the vendor; each service puts it into its own format."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


# What comes instead of the call.
INSTEAD: dict[str, Answer | Refusal] = {
    "throttle": Refusal(400, "Throttling.User", "The request was denied by user flow control."),
    "throttle_429": Refusal(429, "ResourceThrottled", "The request rate is too high."),
    "access_denied": Refusal(403, "AccessDenied", "The caller may not fnf:ReportTask*."),
    "error_500": Refusal(500, "InternalServerError", "An internal error has occurred."),
    "unavailable": Answer(503, b"<html>503 Service Unavailable</html>", "text/html"),
    "wrong_server": Answer(200, b"<html>Please sign in</html>", "text/html"),
    "wrong_json": Answer(200, b"{}"),
    "unheard_of": Refusal(400, "SomethingNew", "A code that nobody has written down."),
    "reset": Answer(end=End.DROP),
}
# What replaces the answer, once the call was taken.
AFTER_THE_CALL: dict[str, Answer | Refusal] = {
    "accept_and_500": INSTEAD["error_500"],
    "accept_and_drop": Answer(end=End.DROP),
    "hang": Answer(end=End.HANG),
}
FAULTS = {*INSTEAD, *AFTER_THE_CALL}


@dataclass(slots=True)
class Fault:
    name: str
    times: int | None  # None: until cleared
    action: str  # blank: any
    words: str  # instead of the usual message

    @property
    def outcome(self) -> Answer | Refusal:
        usual = (INSTEAD | AFTER_THE_CALL)[self.name]
        if isinstance(usual, Refusal) and self.words:
            return Refusal(usual.status, usual.code, self.words)
        return usual


@dataclass
class Faults:
    """Switched on by name, for the next so many calls of one action or of any."""

    _waiting: list[Fault] = field(default_factory=list)
    _fired: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def switch_on(
        self, name: str, times: int | None = 1, *, action: str = "", words: str = ""
    ) -> None:
        if name not in FAULTS:
            raise ValueError(f"No fault {name!r}; there are {sorted(FAULTS)}")
        with self._lock:
            self._waiting.append(Fault(name, times, action, words))

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def fired(self, name: str) -> int:
        return self._fired[name]

    def next(self, action: str) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if fault.action in ("", action):
                    self._fired[fault.name] += 1
                    if fault.times is not None:
                        fault.times -= 1
                        if not fault.times:
                            self._waiting.remove(fault)
                    return fault
        return None
