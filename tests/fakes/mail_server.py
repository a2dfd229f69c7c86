"""A mail server and the mailboxes behind it: refuses, hangs or dies on demand, counts offers."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


class MailServer:
    """Keeps what it takes as mail stores do: a second mail with a known Message-ID is dropped.

    `answers[step]` is what it says at a step (`MAIL`, `RCPT`, `DATA`) instead of taking it;
    `before[step]` is run there first (`EHLO` too), `TAKEN` before it says that it took one.
    """

    def __init__(self) -> None:
        self.mailboxes: dict[str, dict[str, EmailMessage]] = {}
        self.offered: list[str] = []  # Message-IDs, each time that one was taken
        self.answers: dict[str, str] = {}
        self.before: dict[str, Callable[[], None]] = {}
        self.connections = 0
        self.url = ""

    def mails_to(self, address: str) -> list[EmailMessage]:
        return list(self.mailboxes.get(address, {}).values())

    @contextmanager
    def running(self) -> Iterator["MailServer"]:
        controller = Controller(self, hostname="127.0.0.1", port=_free_port())
        controller.start()
        self.url = f"smtp://127.0.0.1:{controller.port}"
        try:
            yield self
        finally:
            controller.stop()

    async def _at(self, step: str) -> str | None:
        if step in self.before:
            await asyncio.get_running_loop().run_in_executor(None, self.before[step])
        return self.answers.get(step)

    async def handle_EHLO(
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        await self._at("EHLO")
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        said = await self._at("MAIL")
        if not said:
            envelope.mail_from = address
        return said or "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        said = await self._at("RCPT")
        if not said:
            envelope.rcpt_tos.append(address)
        return said or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        if said := await self._at("DATA"):
            return said
        mail: Any = message_from_bytes(envelope.content, policy=policy.default)
        self.offered.append(mail["Message-ID"])
        for address in envelope.rcpt_tos:
            self.mailboxes.setdefault(address, {}).setdefault(mail["Message-ID"], mail)
        await self._at("TAKEN")
        return "250 Taken"


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
