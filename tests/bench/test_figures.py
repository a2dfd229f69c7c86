"""Each figure is measured and printed, here with tiny numbers; how long anything takes is no test.

In processes of their own: a bench starts its services and sets Django up for them.
"""

import os
import subprocess
import sys

import pytest

from demo.paths import ROOT

# What each table must at least tell.
FIGURES = {
    "inbox": (
        ["--rows", "20", "200", "--times", "2"],
        ["200 pending, beside the bare view", "200 pending, beside 20", "200: page 2"],
    ),
    "heartbeats": (
        ["--count", "40", "--rounds", "1"],
        ["CPU beside a loop with one thread", "PostgreSQL's CPU", "sent, AWS in 10 ms"],
    ),
    "click": (
        ["--clicks", "2", "--heartbeats", "40"],
        ["received, p50", "HTTP answer, p50", "received, p99, 40 heartbeats due"],
    ),
}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_printed_beside_its_reference(figure: str) -> None:
    arguments, expected = FIGURES[figure]
    done = bench(figure, *arguments)
    assert done.returncode == 0, done.stderr
    assert "reference" in done.stdout
    for line in expected:
        assert line in done.stdout


def test_an_unknown_figure_is_refused() -> None:
    done = bench("speed")
    assert done.returncode == 2
    assert "inbox, heartbeats, click" in done.stderr.replace("'", "")


def test_help_tells_the_figures() -> None:
    done = bench("--help")
    assert done.returncode == 0
    assert all(figure in done.stdout for figure in FIGURES)
