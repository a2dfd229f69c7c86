"""START-UP: `manage.py demo`: the services, the schema, the seed, then every process of ours."""

import os
import signal
import socket
import subprocess
import sys
from argparse import ArgumentParser
from functools import partial
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from demo import env_file
from demo.gates import JOBS
from demo.lock import AlreadyRunning, demo_lock
from demo.paths import ENV_FILE, ROOT, FolderUnusable, prepare
from demo.processes import ServiceFailed
from demo.ready import announce
from demo.services import services
from demo.supervisor import Supervisor

LOOPBACK = "127.0.0.1"
MAILBOX = "demo.mailbox.Backend"
EVERY_ADDRESS = ("0.0.0.0", "::")
FOR_PROCESSES = {
    "PYTHONUNBUFFERED": "1",
    # Celery's advice on root is not for a demo on one's own machine.
    "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
}
QUIET_WORKER = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class Command(BaseCommand):
    help = "Run everything on this machine: services, web, workers, receiver. Ctrl-C stops it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="or the next free one (8000)")
        parser.add_argument("--host", default=LOOPBACK, help="address to listen on (127.0.0.1)")

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGHUP, _interrupt)
        try:
            prepare()
            with demo_lock() as note:
                env_file.forget_earlier_run(os.environ)
                port = _free_port(host, port)
                address = f"http://{LOOPBACK if host in EVERY_ADDRESS else host}:{port}"
                note(address)
                self._run(host, port, address)
        except (AlreadyRunning, FolderUnusable, ServiceFailed) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")

    def _run(self, host: str, port: int, address: str) -> None:
        self.stdout.write("Starting the services …")
        secrets = env_file.kept_secrets()
        with services(secrets=secrets) as made:
            ours = {
                **{k: v for k, v in secrets.items() if not os.environ.get(k)},
                **made,
                "DEMO": "1",
                # Mails become files, unless a mail server was given.
                **({} if os.environ.get("EMAIL_URL") else {"MAIL_BACKEND": MAILBOX}),
                "SITE_URL": address,
                "ALLOWED_HOSTS": f"{LOOPBACK},localhost" if host == LOOPBACK else "*",
                "LOG_FORMAT": os.environ.get("LOG_FORMAT", "console"),
            }
            env_file.write(ENV_FILE, ours)
            environment = {**os.environ, **ours, **FOR_PROCESSES, "BIND": f"{host}:{port}"}
            try:
                self._prepare(environment)
                supervisor = _supervisor(environment, partial(announce, host, port, address))
                supervisor.run()
            finally:
                ENV_FILE.unlink(missing_ok=True)
        if supervisor.returncode not in (130, 143):  # not stopped by a person
            raise CommandError("A process ended, so all were stopped; its lines above say why.")
        self.stdout.write("Stopped.")

    def _prepare(self, environment: dict[str, str]) -> None:
        """The schema, the CSS and the seed; each does nothing where nothing has changed."""
        self.stdout.write("Preparing the database, the CSS and the demo's data …")
        self.stdout.flush()
        environment = {**environment, "LOG_LEVEL": "WARNING"}
        css = _manage(environment, "build_css")
        try:
            for arguments in (("migrate", "--verbosity", "0"), ("demo_seed",)):
                _finish(arguments[0], _manage(environment, *arguments))
            _finish("build_css", css)
        finally:
            css.kill()


def _manage(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """A command of ours in a session of its own: Ctrl-C must not end it with a traceback."""
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _finish(name: str, command: subprocess.Popen[str]) -> None:
    """Wait for it. Only the seed has something to say when all went well."""
    try:
        output, _ = command.communicate()
    finally:
        command.kill()
    if command.returncode:
        raise CommandError(f"`manage.py {name}` failed:\n{output}")
    if name == "demo_seed":
        print(output, end="", flush=True)


def _supervisor(environment: dict[str, str], on_started: partial[None]) -> Supervisor:
    supervisor = Supervisor(environment, ROOT, on_started)
    celery = ("-m", "celery", "--quiet", "-A", "config")
    worker = (*celery, "worker", "--pool", "threads", "--loglevel", "info", *QUIET_WORKER)
    supervisor.add("web", "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi")
    supervisor.add(
        "worker", *worker, "-Q", "callbacks,mails", "--concurrency", "8", "-n", "callbacks@%h"
    )
    supervisor.add(
        "heartbeats", *worker, "-Q", "heartbeats", "--concurrency", "1", "-n", "heartbeats@%h"
    )
    supervisor.add("beat", *celery, "beat", "--pidfile=")
    supervisor.add("receiver", "manage.py", "receive")
    if "DEMO_MINISTACK_URL" in environment:
        after_web = ("-m", "demo.ready")
        supervisor.add("flows", *after_web, "manage.py", "demo_flows", "--stay")
        supervisor.add(
            "runner",
            *(*after_web, "-m", "demo.runner", JOBS),
            env={
                "COUNTERSIGN_URL": environment["SITE_URL"],
                "COUNTERSIGN_RUNNER_KEY": env_file.kept("DEMO_RUNNER_KEY"),
            },
        )
    return supervisor


def _free_port(host: str, wanted: int) -> int:
    """The port asked for, else one of the next hundred, else any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in (*range(wanted, min(wanted + 100, 65536)), 0):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CommandError(f"Cannot listen on {host}.")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
