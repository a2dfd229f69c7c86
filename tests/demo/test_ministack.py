"""The other emulator as a service: it starts anew after a crash and listens here alone."""

import os
import signal
import socket
from pathlib import Path

import boto3
import pytest

from demo import ministack
from demo.leftovers import living_in


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "ministack"


def listening(pid: int) -> set[str]:
    """The IPv4 addresses, as the kernel writes them, of the ports that a process listens on."""
    inodes = {
        os.readlink(entry).removeprefix("socket:[").removesuffix("]")
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if os.readlink(entry).startswith("socket:[")
    }
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                found.add(local)
    return found


def test_it_listens_on_this_machine_alone(place: Path) -> None:
    emulator = ministack.start(place)
    try:
        for name in ("sns", "sqs", "events", "stepfunctions", "lambda", "iot", "transfer"):
            boto3.client(name, endpoint_url=emulator.endpoint_url, region_name="us-east-1")
        here = socket.htonl(int.from_bytes(socket.inet_aton("127.0.0.1")))
        assert listening(emulator.service.process.pid) == {f"{here:08X}:{emulator.port:04X}"}
    finally:
        emulator.stop()
    assert living_in(place, "ministack") == []


def test_what_a_crash_left_is_stopped_and_the_port_stays(place: Path) -> None:
    first = ministack.start(place)
    first.service.process.send_signal(signal.SIGKILL)
    first.service.process.wait(timeout=10)
    second = ministack.start(place)
    third = ministack.start(place)
    try:
        assert first.port == second.port
        assert second.service.process.wait(timeout=10) is not None
    finally:
        third.stop()
