"""Steps that wait on HTTP, and a certificate authority for them: a local server that can answer
badly on purpose."""

import datetime as dt
import ipaddress
import secrets
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = dt.timedelta(days=1)


class Authority:
    """A CA of the test's own; `bundle` is what SSL_CERT_FILE names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tests")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.bundle = folder / "authority.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str) -> Path:
        """A certificate and its key, in one file, for host names or numbers."""
        key = ec.generate_private_key(ec.SECP256R1())
        general: list[x509.GeneralName] = []
        for name in names:
            try:
                general.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                general.append(x509.DNSName(name))
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        certificate = (
            self._builder(subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(general), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self._folder / f"{secrets.token_hex(4)}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return path

    def _builder(
        self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
        )


@dataclass(frozen=True, slots=True)
class Heard:
    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclass(slots=True)
class Reply:
    status: int = 200
    body: bytes = b'{"ok": true}'
    headers: dict[str, str] = field(default_factory=dict)
    # "", or a way to go wrong: drop, reset, hang, cut, drip, drip_head, long, nonsense
    fault: str = ""


class WaitingServer:
    """Serves `steps` (target → what they were told) unless `reply` says otherwise."""

    def __init__(self, certificate: Path | None = None, host: str = "127.0.0.1") -> None:
        self.steps: dict[str, Heard | None] = {}
        self.heard: list[Heard] = []
        self.connections = 0
        self.reply: Callable[[Heard], Reply | None] = lambda heard: None
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._stopping = threading.Event()
        self._socket = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def create_step(self, query: str = "") -> str:
        target = f"/resume/{secrets.token_urlsafe(24)}{query}"
        self.steps[target] = None
        return target

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=[sock], daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
            heard = self._hear(sock)
            if heard:
                self.heard.append(heard)
                self._answer(sock, self.reply(heard) or self._settle(heard))
        sock.close()

    @staticmethod
    def _hear(sock: socket.socket) -> Heard | None:
        with sock.makefile("rb") as lines:
            first = lines.readline().decode().split()
            if not first:
                return None
            headers = {}
            while line := lines.readline().decode("latin-1").strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = lines.read(int(headers.get("content-length", 0)))
            return Heard(first[0], first[1], headers, body)

    def _settle(self, heard: Heard) -> Reply:
        if heard.target not in self.steps:
            return Reply(404)
        if self.steps[heard.target] is not None:
            return Reply(409)
        self.steps[heard.target] = heard
        return Reply()

    def _answer(self, sock: socket.socket, reply: Reply) -> None:
        head = f"HTTP/1.1 {reply.status} -\r\n"
        extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        whole = f"{head}{extra}Content-Length: {len(reply.body)}\r\n\r\n".encode() + reply.body
        match reply.fault:
            case "":
                sock.sendall(whole)
            case "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "hang":
                self._stopping.wait(30)
            case "nonsense":
                sock.sendall(b"220 mail.example ESMTP\r\n")
            case "cut":
                sock.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
            case "long":
                sock.sendall(f"{head}Content-Length: 10000000\r\n\r\n".encode())
                for _ in range(1_000):
                    sock.sendall(b"x" * 10_000)
            case "long_head":
                sock.sendall(head.encode() + b"X: " + b"x" * 200_000 + b"\r\n\r\n")
            case "drip_head" | "drip":
                if reply.fault == "drip":
                    sock.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode())
                else:
                    sock.sendall(b"HTTP/1.1 ")
                for _ in range(600):
                    time.sleep(0.05)
                    sock.sendall(b"2")
