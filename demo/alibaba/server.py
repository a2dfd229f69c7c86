"""The address of the stand-in: queues below /queues/, CloudFlow's API for anything else."""

import secrets
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from demo.alibaba.cloudflow import CloudFlow
from demo.alibaba.mns import Queues
from demo.alibaba.signatures import Key
from demo.alibaba.wire import Answer, End, Request


class Alibaba:
    """One account and region on a port of 127.0.0.1; usable as a context manager."""

    def __init__(self, port: int = 0, key: Key | None = None) -> None:
        self.key = key or Key("LTAI" + secrets.token_hex(10), secrets.token_urlsafe(24))
        self.queues = Queues(self.key)
        self.cloudflow = CloudFlow(self.key, self.queues)
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.account = self
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def queue_url(self, name: str) -> str:
        return f"{self.url}/queues/{name}"

    def serve_forever(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    account: Alibaba
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _handle(self) -> None:
        account = self.server.account
        request = Request(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        service = account.queues if request.path.startswith("/queues/") else account.cloudflow
        self._send(service.handle(request))

    do_GET = do_POST = do_PUT = do_DELETE = _handle

    def _send(self, answer: Answer) -> None:
        if answer.end is End.KEEP:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("x-mns-request-id", secrets.token_hex(12).upper())  # its SDK looks
            self.end_headers()
            self.wfile.write(answer.body)
            return
        if answer.end is End.HANG:
            self.server.account.stopping.wait()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Addresses hold task tokens: nothing is logged."""
