"""MNS (SMQ): queues with long polling, visibility time-outs and answers in XML."""

import hashlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from demo.alibaba.signatures import Key, check_mns
from demo.alibaba.wire import INSTEAD, Answer, Faults, Refusal, Request

XMLNS = "http://mns.aliyuncs.com/doc/v1/"
BATCH = 16
LARGEST = 65_536
LONGEST_WAIT = 30


@dataclass(slots=True)
class Message:
    body: str
    id: str = field(default_factory=lambda: f"{uuid4().hex.upper()}-1")
    sent_at: float = field(default_factory=time.time)
    taken: int = 0
    visible_at: float = 0.0  # time.monotonic()

    @property
    def handle(self) -> str:
        return f"{self.taken}-{self.id}"

    def listed(self) -> dict[str, Any]:
        milliseconds = int(self.sent_at * 1000)
        return {
            "MessageId": self.id,
            "ReceiptHandle": self.handle,
            "MessageBodyMD5": hashlib.md5(self.body.encode()).hexdigest().upper(),
            "MessageBody": self.body,
            "EnqueueTime": milliseconds,
            "NextVisibleTime": int((time.time() + self.visible_at - time.monotonic()) * 1000),
            "FirstDequeueTime": milliseconds,
            "DequeueCount": self.taken,
            "Priority": 8,
        }


@dataclass(slots=True)
class Queue:
    name: str
    visibility: float = 30.0  # seconds
    messages: list[Message] = field(default_factory=list)


class Queues:
    """The queues of one account. Thread-safe."""

    def __init__(self, key: Key) -> None:
        self.faults = Faults()
        self._key = key
        self._queues: dict[str, Queue] = {}
        self._changed = threading.Condition()

    # --- from inside ----------------------------------------------------------------------------

    def create(self, name: str, visibility: float = 30.0) -> None:
        with self._changed:
            self._queues.setdefault(name, Queue(name)).visibility = visibility

    def send(self, name: str, body: str) -> Message:
        with self._changed:
            message = Message(body)
            self._queue(name).messages.append(message)
            self._changed.notify_all()
        return message

    def left(self, name: str) -> int:
        """Messages that are still there, in hand or not."""
        with self._changed:
            return len(self._queue(name).messages)

    # --- over HTTP ------------------------------------------------------------------------------

    def handle(self, request: Request) -> Answer:
        try:
            check_mns(self._key, request)
            name, _, below = request.path.removeprefix("/queues/").partition("/")
            fault = self.faults.next(request.method)
            if fault and fault.name in INSTEAD:
                return _or_raise(fault.outcome)
            answer = self._take(request, name, below)
            return _or_raise(fault.outcome) if fault else answer
        except Refusal as refusal:
            error = {"Code": refusal.code, "Message": refusal.message}
            return _xml("Error", error | {"RequestId": uuid4().hex, "HostId": "127.0.0.1"}, refusal)

    def _take(self, request: Request, name: str, below: str) -> Answer:
        match request.method, below:
            case "PUT", "":
                self.create(name)
                return Answer(201, content_type="text/xml")
            case "GET", "":
                return self._attributes(name)
            case "DELETE", "":
                with self._changed:
                    self._queues.pop(name, None)
                return Answer(204, content_type="text/xml")
            case "POST", "messages":
                return self._send(name, request.body)
            case "GET", "messages":
                return self._receive(name, request.query)
            case "DELETE", "messages":
                return self._delete(name, request)
        raise Refusal(400, "InvalidRequestURL", "There is no such operation.")

    def _queue(self, name: str) -> Queue:
        if name not in self._queues:
            raise Refusal(404, "QueueNotExist", "The queue name you provided is not exist.")
        return self._queues[name]

    def _attributes(self, name: str) -> Answer:
        with self._changed:
            queue = self._queue(name)
            hidden = sum(one.visible_at > time.monotonic() for one in queue.messages)
            fields = {
                "QueueName": name,
                "CreateTime": 0,
                "LastModifyTime": 0,
                "VisibilityTimeout": int(queue.visibility),
                "MaximumMessageSize": LARGEST,
                "MessageRetentionPeriod": 345_600,
                "DelaySeconds": 0,
                "PollingWaitSeconds": 0,
                "ActiveMessages": len(queue.messages) - hidden,
                "InactiveMessages": hidden,
                "DelayMessages": 0,
                "LoggingEnabled": "False",
            }
        return _xml("Queue", fields)

    def _send(self, name: str, body: bytes) -> Answer:
        found = [
            node.text or "" for node in ElementTree.fromstring(body).iter(f"{{{XMLNS}}}MessageBody")
        ]
        if any(len(text.encode()) > LARGEST for text in found):
            raise Refusal(400, "InvalidArgument", "The message is too large.")
        sent = [self.send(name, text) for text in found]
        if not sent:
            raise Refusal(400, "MalformedXML", "No message was found.")
        listed = [{k: one.listed()[k] for k in ("MessageId", "MessageBodyMD5")} for one in sent]
        batch = ElementTree.fromstring(body).tag.endswith("Messages")
        return _xml("Messages" if batch else "Message", listed if batch else listed[0], status=201)

    def _receive(self, name: str, query: dict[str, str]) -> Answer:
        most = int(query.get("numOfMessages") or 1)
        wait = int(query.get("waitseconds") or 0)
        if not 1 <= most <= BATCH:
            raise Refusal(400, "InvalidArgument", f"numOfMessages has to be 1 to {BATCH}.")
        if not 0 <= wait <= LONGEST_WAIT:
            raise Refusal(400, "InvalidArgument", f"waitseconds has to be 0 to {LONGEST_WAIT}.")
        until = time.monotonic() + wait
        with self._changed:
            while True:
                queue, now = self._queue(name), time.monotonic()
                found = [one for one in queue.messages if one.visible_at <= now][:most]
                if found or now >= until:
                    break
                nearest = min((one.visible_at for one in queue.messages), default=until)
                self._changed.wait(max(0.01, min(until, nearest) - now))
            if not found:
                raise Refusal(404, "MessageNotExist", "Message not exist.")
            if "peekonly" not in query:
                for one in found:
                    one.taken, one.visible_at = one.taken + 1, now + queue.visibility
            listed = [one.listed() for one in found]
        return _xml("Messages", listed) if "numOfMessages" in query else _xml("Message", listed[0])

    def _delete(self, name: str, request: Request) -> Answer:
        if request.body:
            nodes = ElementTree.fromstring(request.body).iter(f"{{{XMLNS}}}ReceiptHandle")
            handles = [node.text or "" for node in nodes]
        else:
            handles = [request.query.get("ReceiptHandle", "")]
        failed = []
        with self._changed:
            queue, now = self._queue(name), time.monotonic()
            for handle in handles:
                one = next((m for m in queue.messages if handle.endswith(f"-{m.id}")), None)
                if one and one.handle == handle and one.visible_at > now:
                    queue.messages.remove(one)
                else:
                    code = "ReceiptHandleError" if one else "MessageNotExist"
                    failed.append(
                        {"ErrorCode": code, "ErrorMessage": code, "ReceiptHandle": handle}
                    )
        if failed and not request.body:
            raise Refusal(404, failed[0]["ErrorCode"], failed[0]["ErrorMessage"])
        return _xml("Errors", failed, status=404) if failed else Answer(204, b"", "text/xml")


def _or_raise(outcome: Answer | Refusal) -> Answer:
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def _xml(
    tag: str,
    content: dict[str, Any] | list[dict[str, Any]],
    refusal: Refusal | None = None,
    *,
    status: int = 200,
) -> Answer:
    """`<Tag><Name>value</Name>…</Tag>`, or a list of them in their plural."""
    if isinstance(content, list):
        inner = "".join(f"<{tag[:-1]}>{_fields(one)}</{tag[:-1]}>" for one in content)
    else:
        inner = _fields(content)
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<{tag} xmlns="{XMLNS}">{inner}</{tag}>'
    return Answer(refusal.status if refusal else status, text.encode(), "text/xml;charset=utf-8")


def _fields(content: dict[str, Any]) -> str:
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in content.items())
