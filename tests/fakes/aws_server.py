"""A small, fast HTTP/1.1 server for fakes of AWS services, able to answer badly on purpose."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

JSON = "application/x-amz-json-1.0"


class End(Enum):
    """What happens to the connection with the reply."""

    KEEP = "the reply goes out, the connection stays"
    DROP = "closed without a byte"
    RESET = "reset without a byte"
    CUT = "closed in the middle of the body"
    HANG = "nothing, ever"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: bytes = b"{}"
    delay: float = 0.0  # seconds
    end: End = End.KEEP
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str  # path and query
    action: str  # of `X-Amz-Target: Service.Action`
    body: bytes
    key: str = ""  # the access key id that it is signed with


Handler = Callable[[Request], Reply]


class AwsServer:
    """Serves `handler` on a port of the machine's choice, in a thread of its own."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self._handler = handler
        # Bound here, so that the address is known; the loop belongs to the thread alone, since a
        # browser test may have one running in this one.
        self._socket = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def serve_forever(self) -> None:
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Connection(self._handler), sock=self._socket)
        )
        self._loop.run_forever()
        server.close()
        self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class _Connection(asyncio.Protocol):
    """Requests one after the other; parsed by hand, since benchmarks measure their caller."""

    transport: asyncio.Transport

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head_end := self._buffer.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._buffer[:head_end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (x.partition(":") for x in lines)}
            body_end = head_end + 4 + int(headers.get("content-length", 0))
            if len(self._buffer) < body_end:
                return
            method, target, _ = first.split(" ")
            action = headers.get("x-amz-target", "").rpartition(".")[2]
            body = self._buffer[head_end + 4 : body_end]
            self._buffer = self._buffer[body_end:]
            key = headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
            reply = self._handler(Request(method, target, action, body, key))
            if reply.delay:
                asyncio.get_running_loop().call_later(reply.delay, self._send, reply)
            else:
                self._send(reply)

    def _send(self, reply: Reply) -> None:
        head = f"HTTP/1.1 {reply.status} -\r\ncontent-type: {reply.content_type}\r\n"
        match reply.end:
            case End.KEEP:
                length = f"content-length: {len(reply.body)}\r\n\r\n"
                self.transport.write((head + length).encode() + reply.body)
            case End.CUT:
                half = f"transfer-encoding: chunked\r\n\r\n{len(reply.body):x}\r\n"
                self.transport.write((head + half).encode() + reply.body[:1])
                self.transport.close()
            case End.DROP:
                self.transport.close()
            case End.RESET:
                connection: socket.socket = self.transport.get_extra_info("socket")
                no_linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
                self.transport.abort()
            case End.HANG:
                pass
