"""`start.py`: what a newcomer runs first; and the supervisor of the demo's processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MANAGE = "import os, sys; print(os.getcwd(), *sys.argv[1:], os.environ.get('DEMO'))"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the real launcher, no packages and a `manage.py` that says how it was run."""
    shutil.copy(ROOT / "start.py", tmp_path)
    for kind in ("demo", "test"):
        (tmp_path / f"requirements-{kind}.txt").write_text(f"# {kind}\n")
    (tmp_path / "manage.py").write_text(MANAGE)
    return tmp_path


def start(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project / "start.py"), *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


def test_help_fits_a_screen() -> None:
    done = start(ROOT, "--help")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    for command in ("demo", "manage", "reset", "test", "check", "bench"):
        assert f"start.py {command}" in done.stdout


def test_an_unknown_command_is_named() -> None:
    done = start(ROOT, "tset")
    assert done.returncode == 2
    assert "'tset'" in done.stderr
    assert "--help" in done.stderr


def test_the_first_start_makes_the_environment_and_the_next_does_not(project: Path) -> None:
    first, second = start(project, "manage", "migrate", "--plan"), start(project)
    assert "Making the environment" in first.stdout
    assert first.stdout.endswith(f"{project} migrate --plan 1\n")
    assert second.stdout == f"{project} demo 1\n"


def test_a_half_made_environment_is_made_again(project: Path) -> None:
    start(project)
    (project / ".venv" / "made-for").unlink()
    rubbish = project / ".venv" / "rubbish"
    rubbish.touch()
    assert "Making the environment" in start(project).stdout
    assert not rubbish.exists()


def test_changed_requirements_are_installed(project: Path) -> None:
    start(project)
    (project / "requirements-demo.txt").write_text("# other\n")
    renewed = start(project).stdout
    assert "Installing requirements-demo.txt" in renewed
    assert "Making the environment" not in renewed


def test_two_starts_at_once_make_one_environment(project: Path) -> None:
    command = [sys.executable, str(project / "start.py")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert sum("Making the environment" in output for output in outputs) == 1
    assert all(output.endswith(f"{project} demo 1\n") for output in outputs)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_not_writable_is_refused_in_one_sentence(project: Path) -> None:
    project.chmod(0o500)
    done = start(project)
    project.chmod(0o700)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "cannot write" in done.stderr


SUPERVISOR = """
import os, pathlib
from demo.supervisor import Supervisor

supervisor = Supervisor(dict(os.environ), pathlib.Path.cwd(), lambda: print("all started"))
long = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(60)"
supervisor.add("long", "-c", long)
supervisor.add("short", "-c", "import time; time.sleep(SECONDS)")
supervisor.run()
"""


def supervise(seconds: float) -> subprocess.Popen[str]:
    """Two processes; one of them ends by itself after `seconds`."""
    program = SUPERVISOR.replace("SECONDS", str(seconds))
    command = [sys.executable, "-u", "-c", program]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_one_process_dies_and_all_stop() -> None:
    output, _ = supervise(seconds=0.5).communicate(timeout=20)
    assert "all started" in output
    assert "long stopped (rc=-15)" in output.replace("  ", " ")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_no_process_outlives_a_killed_supervisor() -> None:
    supervisor = supervise(seconds=60)
    assert supervisor.stdout is not None
    line = next(line for line in supervisor.stdout if "| pid " in line)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    supervisor.stdout.close()
    until = time.monotonic() + 10
    while runs(int(line.split()[-1])):
        assert time.monotonic() < until
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether it is there and no zombie, which init may be slow to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
