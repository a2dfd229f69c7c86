"""The embedded services: they start as anybody, survive crashes, leave all else alone."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
import redis

from demo import aws, env_file, postgres, servers, valkey
from demo.cloudflow_resources import CloudFlowResources
from demo.engines import NOT_REACHED
from demo.leftovers import living_in
from demo.paths import ROOT, FolderUnusable, run_folder
from demo.processes import ServiceFailed
from demo.services import services

OTHERS = ("DEMO_MINISTACK_URL", "DEMO_ALIBABA_URL", "DEMO_HTTP_FLOWS_URL")
FAST = {"fsync": "off", "full_page_writes": "off"}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of mode 0700 with a short path, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="cs-") as folder:
        yield Path(folder)


@pytest.fixture
def sockets(place: Path) -> Path:
    return run_folder(place)


def ask(server: postgres.Postgres, sql: str) -> str:
    with psycopg.connect(
        host=str(server.socket_dir), user="postgres", dbname=postgres.DATABASE, autocommit=True
    ) as connection:
        cursor = connection.execute(sql)
        row = cursor.fetchone() if cursor.description else None
        return str(row[0]) if row else ""


def test_postgres_keeps_its_data_after_kill_9(place: Path, sockets: Path) -> None:
    server = postgres.start(place / "pg", sockets)
    try:
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(server.pid, signal.SIGKILL)
        server = postgres.start(place / "pg", sockets)
        assert ask(server, "SELECT answer FROM kept") == "42"
    finally:
        server.stop()
    assert living_in(place / "pg", "postgres") == []


def test_a_recycled_pid_in_the_lock_files_blocks_nothing(place: Path, sockets: Path) -> None:
    postgres.start(place / "pg", sockets, settings=FAST).stop()
    with subprocess.Popen(["sleep", "60"]) as unrelated:
        stale = f"{unrelated.pid}\n{(place / 'pg').resolve()}\n0\n5432\n{sockets}\n\n"
        (place / "pg" / "postmaster.pid").write_text(stale)
        (sockets / ".s.PGSQL.5432.lock").write_text(stale)
        server = postgres.start(place / "pg", sockets, settings=FAST)
        server.stop()
        assert unrelated.poll() is None
        unrelated.kill()


def test_a_server_left_running_is_replaced(place: Path, sockets: Path) -> None:
    left = postgres.start(place / "pg", sockets, settings=FAST)
    server = postgres.start(place / "pg", sockets, settings=FAST)
    try:
        assert left.service.process.wait(timeout=5) == 0
        assert ask(server, "SELECT 1") == "1"
    finally:
        server.stop()


def test_postgres_changes_no_folder_outside_of_its_own(place: Path, sockets: Path) -> None:
    def state() -> list[tuple[int, int, int]]:
        found = [folder.stat() for folder in (sockets, place, *place.parents)]
        return [(s.st_mode, s.st_uid, s.st_gid) for s in found]

    before = state()
    server = postgres.start(place / "pg", sockets, settings=FAST)
    server.stop()
    assert state() == before
    assert (place / "pg").stat().st_uid == os.geteuid()


def test_two_at_once_do_not_meet(place: Path) -> None:
    folders = [place / "a", place / "b"]
    for folder in folders:
        folder.mkdir()
    servers = [postgres.start(f / "pg", run_folder(f), settings=FAST) for f in folders]
    try:
        ask(servers[0], "CREATE TABLE only_here ()")
        assert ask(servers[1], "SELECT to_regclass('only_here')") == "None"
    finally:
        for server in servers:
            server.stop()


def test_a_failed_start_says_which_service_and_why(place: Path, sockets: Path) -> None:
    with pytest.raises(ServiceFailed, match=r"(?s)PostgreSQL.*shared_buffers"):
        postgres.start(place / "pg", sockets, settings={"shared_buffers": "many"})
    assert living_in(place / "pg", "postgres") == []


def test_the_collation_knows_more_than_ascii(place: Path, sockets: Path) -> None:
    server = postgres.start(place / "pg", sockets, settings=FAST)
    try:
        assert ask(server, "SELECT lower('ÄÖÜ')") == "äöü"
    finally:
        server.stop()


def test_valkey_answers_and_stops(place: Path, sockets: Path) -> None:
    server = valkey.start(place / "valkey", sockets)
    client = redis.Redis.from_url(server.url)
    assert client.ping()
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    server.stop()
    with pytest.raises(redis.ConnectionError):
        client.ping()


def test_the_aws_emulator_runs_state_machines(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = aws.start(place / "aws")
    try:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        engine = boto3.Session().client("stepfunctions")
        machine = engine.create_state_machine(
            name="pass",
            definition='{"StartAt": "End", "States": {"End": {"Type": "Pass", "End": true}}}',
            roleArn="arn:aws:iam::123456789012:role/demo",
        )["stateMachineArn"]
        execution = engine.start_execution(stateMachineArn=machine, name="one")["executionArn"]
        until = time.monotonic() + 10
        while engine.describe_execution(executionArn=execution)["status"] != "SUCCEEDED":
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        emulator.stop()
    assert emulator.service.process.poll() is not None


def test_the_aws_emulator_takes_its_last_port_where_it_is_free(place: Path) -> None:
    first = aws.start(place / "aws")
    first.stop()
    second = aws.start(place / "aws")
    second.stop()
    assert second.port == first.port


def test_all_services_stop_when_their_user_fails(place: Path) -> None:
    def use_and_fail() -> None:
        with services({}, local=place, settings=FAST) as made:
            assert {"DATABASE_URL", "BROKER_URL", "AWS_ENDPOINT_URL", *OTHERS} <= set(made)
            assert all(map(answers, (made[name] for name in OTHERS)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use_and_fail()
    assert not all_of_them(place)


def test_what_the_environment_gives_is_not_started(place: Path) -> None:
    given = {"DATABASE_URL": "postgres://…", "BROKER_URL": "redis://…", "AWS_PROFILE": "work"}
    with services(given, local=place) as made:
        assert made == {}
        assert not all_of_them(place)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_services_do_not_outlive_a_killed_demo(place: Path) -> None:
    program = (
        "import os, pathlib, signal, sys\n"
        "from demo.services import services\n"
        "with services({}, local=pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, place], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    until = time.monotonic() + 10
    while all_of_them(place):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_sockets_are_for_their_owner_alone(place: Path) -> None:
    run_folder(place).chmod(0o755)
    with pytest.raises(FolderUnusable, match="0700"):
        run_folder(place)


def all_of_them(place: Path) -> list[int]:
    return [
        *living_in(place / "postgres", "postgres"),
        *living_in(place / "valkey", "valkey-server"),
        *living_in(place / "aws", "moto.server"),
        *living_in(place / "ministack", "ministack"),
        *living_in(place / "alibaba", "demo.alibaba"),
        *living_in(place / "http-flows", "demo.http_flows"),
    ]


def answers(url: str) -> bool:
    address = urlsplit(url)
    socket.create_connection((address.hostname, address.port), timeout=5).close()
    return True


def test_the_account_has_the_key_that_was_given_and_no_log_has_it(place: Path) -> None:
    secrets = {"DEMO_ALIBABA_KEY_ID": "LTAItests", "DEMO_ALIBABA_SECRET": "a secret of tests"}
    server = servers.launch("demo.alibaba", place / "alibaba", environment=secrets)
    try:
        server.wait_until_ready()
        there = CloudFlowResources(server.endpoint_url, *secrets.values())
        assert there.executions() == []
        stranger = CloudFlowResources(server.endpoint_url, "LTAItests", "another")
        with pytest.raises(NOT_REACHED, match="SignatureDoesNotMatch"):
            stranger.executions()
        assert "a secret" not in server.service.log_file.read_text()
    finally:
        server.stop()


def test_secrets_are_made_once_and_new_ones_join_them(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place / "secrets.env"
    monkeypatch.setattr(env_file, "SECRETS_FILE", file)
    env_file.write(file, {"SECRET_KEY": "of an earlier version"})
    env_file.keep("DEMO_RUNNER_KEY", "csr_made")
    first = env_file.kept_secrets()
    assert first["SECRET_KEY"] == "of an earlier version"
    assert env_file.kept_secrets() == first
    assert "DEMO_RUNNER_KEY" not in first
    assert env_file.kept("DEMO_RUNNER_KEY") == "csr_made"
    assert file.stat().st_mode & 0o777 == 0o600
