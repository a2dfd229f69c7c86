"""The door, how an outside job is doing, in words. Pure."""

import datetime as dt
from dataclasses import dataclass
from typing import Self

from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.inbox import times
from approvals.models import Gate, OutsideJob


@dataclass(frozen=True, slots=True)
class JobLine:
    """What is said of a job. `last`: when it was heard of, or else when it was taken."""

    runs_on: str  # blank: no runner has taken it
    percent: int | None
    note: str
    last: dt.datetime | None
    is_heard: bool
    silence: dt.timedelta  # so long may pass between two words of it

    @classmethod
    def of(cls, job: OutsideJob, gate: Gate) -> Self:
        return cls(
            runs_on=job.claimed_by,
            percent=job.percent,
            note=job.note,
            last=job.heard_at or job.claimed_at,
            is_heard=job.heard_at is not None,
            silence=dt.timedelta(seconds=gate.job_silence_seconds),
        )

    def is_silent(self, now: dt.datetime) -> bool:
        return self.last is not None and now - self.last > self.silence

    def word(self, now: dt.datetime) -> tuple[str, str]:
        """One word or three for its badge, and their tone."""
        if self.last is None:
            return "Waits for a runner", "accent"
        return ("Silent", "soon") if self.is_silent(now) else ("Running", "approve")

    def where(self, now: dt.datetime) -> SafeString:
        """Where it runs, or for how long nothing was heard of it."""
        if self.last is None:
            return SafeString("waiting for a runner")
        if not self.is_silent(now):
            return format_html("running on {}", self.runs_on)
        return format_html("silent for {} · {}", times.span_tag(self.last, now), self.runs_on)
