"""The door, one task in full: what is asked, where it stands, and what each button will do.

Reads only; a constant number of queries. Never loads the token.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from approvals.asked.choices import Choice, choices_of
from approvals.asked.edits import digest, payload_of
from approvals.decisions import guard
from approvals.decisions.rules import check_can_decide
from approvals.engines.base import Handle, Step
from approvals.engines.registry import engine_for, kind_of
from approvals.errors import CannotDecide, EngineError
from approvals.inbox import asked, markdown, payload, times, when
from approvals.inbox.colleagues import Together
from approvals.inbox.held import Held
from approvals.inbox.outside import JobLine
from approvals.inbox.rows import OUTCOMES
from approvals.inbox.stages import Way
from approvals.inbox.timeline import Entry, attempts_of, events_of, timeline
from approvals.models import (
    ApprovalTask,
    Callback,
    Decision,
    Gate,
    Heartbeat,
    JobKey,
    OutsideJob,
)
from approvals.people.eligibility import Person, Seat
from approvals.people.roles import SEE_EVERY_TASK
from approvals.states import CallbackStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a task stands, for people: a word for its badge, and the honest sentence."""

    word: str
    tone: str
    sentence: str = ""
    alarm: str = ""  # "soon" or "reject": how loud the sentence is
    is_moving: bool = False  # changes by itself within seconds


def find_task(person: Person, task_id: UUID) -> ApprovalTask:
    """The task, if this person may see it; else a 404 that does not tell whether it exists."""
    task = (
        ApprovalTask.objects.select_related(
            *("gate", "connection", "callback", "heartbeat", "outside_job", "claimed_by")
        )
        .without_secrets()
        .filter(pk=task_id)
        .first()
    )
    if task is None or not person.can_see(task):
        raise Http404("There is no such task, or your gates do not include it.")
    return task


def sees_who(person: Person, task: ApprovalTask) -> bool:
    """Whether they may read who else can decide it; not whoever was only asked about it."""
    return person.takes_part(task) or person.user.has_perm(SEE_EVERY_TASK)


class Detail:
    """What the template asks about one task. `alert` is a sentence to show first."""

    def __init__(self, task: ApprovalTask, person: Person, alert: str = "") -> None:
        self.task, self.person, self.alert = task, person, alert
        self.gate: Gate = task.gate
        self.now = timezone.now()
        # A callback URL is no engine's name, and nobody can be asked about it.
        self._takes_urls = kind_of(task.connection.kind).handle is Handle.URL
        kind = task.connection.get_kind_display()
        self.engine = "the workflow" if self._takes_urls else kind.removeprefix("AWS ")
        self.callback: Callback | None = getattr(task, "callback", None)
        self.heartbeat: Heartbeat | None = getattr(task, "heartbeat", None)
        job: OutsideJob | None = getattr(task, "outside_job", None)
        self.job = JobLine.of(job, task.gate) if job else None
        self.decisions: list[Decision] = list(
            task.decisions.standing()
            .select_related("reviewer", "on_behalf_of")
            .order_by("decided_at", "id")
        )
        for decision in self.decisions:
            decision.when = times.age_tag(decision.decided_at, self.now)  # type: ignore[attr-defined]
            decision.remarks = guard.words(decision.pointed_out)  # type: ignore[attr-defined]
            decision.said = asked.said(task, decision)  # type: ignore[attr-defined]
        self.seat, self.why_not = _seat(task, person)

    # --- what is asked ---

    @cached_property
    def summary(self) -> SafeString:
        return markdown.render(self.task.summary)

    @cached_property
    def payload(self) -> payload.PayloadHtml:
        return payload.render(payload_of(self.task))

    @property
    def changed_by(self) -> Decision | None:
        """The decision with which somebody changed the payload."""
        return asked.changed_by(self.decisions)

    @property
    def payload_version(self) -> str:
        """Of the payload as it stands: its part of the page is kept while that stays the same."""
        return digest(self.task) if self.changed_by else "sent"

    @property
    def links(self) -> list[dict[str, str]]:
        return [
            link
            for link in self.task.links
            if str(link.get("url", "")).startswith(("https://", "http://"))
        ]

    @cached_property
    def console_url(self) -> str:
        try:
            engine = engine_for(self.task.connection.config)
        except EngineError:
            return ""
        return engine.console_url(Step(self.task.execution_id, self.task.state))

    @property
    def received(self) -> SafeString:
        return times.age_tag(self.task.received_at, self.now)

    @property
    def deadline(self) -> SafeString | None:
        at = self.task.deadline
        if at is None:
            return None
        if not self.task.is_pending:
            return times.tag(at, times.clock(at))
        return times.left_tag(at, self.now)

    @property
    def runs_out(self) -> SafeString | None:
        """The deadline, or the gate's own if that is sooner."""
        at = self.task.runs_out_at
        return times.left_tag(at, self.now) if at else None

    @property
    def when(self) -> list[tuple[str, SafeString]]:
        return when.facts_of(self.task, self.now)

    # --- where it stands ---

    @cached_property
    def held(self) -> Held | None:
        return Held.of(self.task, self.decisions, self.person.user)

    @cached_property
    def standing(self) -> Standing:
        word, tone = OUTCOMES[self.task.status]
        if self.held:
            return Standing(f"{self.held.said}, can be undone", self.held.tone, is_moving=True)
        if self.task.is_pending:
            return self._of_job(self.job) if self.job else Standing("Waits for approval", "accent")
        if self.callback is None:
            return Standing(word, tone, self.task.settled_reason)
        # Where nobody decided, the gate did: its reason says more than the word.
        said = self.task.settled_reason.rstrip(".") or word
        return Standing(word, tone, *self._delivery(self.callback, said))

    def _of_job(self, job: JobLine) -> Standing:
        word, tone = job.word(self.now)
        if not job.is_silent(self.now) or self.heartbeat or not self.task.heartbeat_seconds:
            return Standing(word, tone)
        said = "Since nothing was heard of the job, the step is no longer kept alive. It times out "
        return Standing(word, tone, f"{said}soon, unless the job sends a heartbeat.", "soon")

    def _delivery(self, callback: Callback, said: str) -> tuple[str, str, bool]:
        """Sentence, alarm, and whether it is moving."""
        match callback.status:
            case CallbackStatus.DELIVERED if callback.delivered_at:
                at = times.clock(callback.delivered_at)
                return f"{said}. {capfirst(self.engine)} has been told ({at}).", "", False
            case CallbackStatus.UNCONFIRMED:
                then = "it is told again." if self._takes_urls else "its history is being checked."
                return (
                    f"{said}. {capfirst(self.engine)} was told, but its answer was lost; {then}",
                    "soon",
                    True,
                )
            case CallbackStatus.DEAD:
                why = callback.last_error
                return f"{said}, but {self.engine} could not be told: {why}", "reject", False
            case CallbackStatus.DUE if callback.failures:
                why = callback.last_error.rstrip(".")
                return (
                    f"{said}. {capfirst(self.engine)} can't be told for now ({why}); "
                    "it is tried again.",
                    "soon",
                    True,
                )
        return f"{said} — telling {self.engine} …", "", True

    @property
    def alive(self) -> tuple[str, str] | None:
        """How keeping the step alive goes, in words and a tone."""
        beat = self.heartbeat
        if beat is None:
            return None
        if beat.error:
            return f"Keeping the step alive fails: {beat.error}", "soon"
        limit = self.task.heartbeat_seconds
        if beat.sent_at is None:
            return ("The first heartbeat is due", "") if limit else None
        ago = times.seconds_ago(beat.sent_at, self.now)
        if limit is None:
            return f"Still waited {ago}", ""
        if (self.now - beat.sent_at).total_seconds() > limit:
            return f"Last kept alive {ago}, which is late", "soon"
        return f"Kept alive {ago}", ""

    # --- an outside job ---

    @property
    def is_job(self) -> bool:
        return self.gate.kind == Gate.Kind.JOB

    @cached_property
    def job_facts(self) -> list[tuple[str, SafeString | str]]:
        """Who runs it and when it was last heard of; empty while nobody runs it."""
        job = self.job
        if job is None or job.last is None:
            return []
        at = times.age_tag(job.last, self.now)
        if self.task.is_pending:
            seen = "Last heard of" if job.is_heard else "Taken, not heard of yet"
            return [("Runs on", job.runs_on), (seen, at)]
        # The report that settled it stands in the timeline.
        facts = [("Ran on", job.runs_on), ("Last sign of life" if job.is_heard else "Taken", at)]
        if job.percent is not None:
            facts.append(("Progress by then", f"{job.percent}%"))
        return facts

    @cached_property
    def job_keys(self) -> list[tuple[JobKey, str]]:
        """The keys that were given out for it, and in words how long each lives."""
        said = []
        for key in self.task.job_keys.all():
            assert key.expires_at, "a job's key expires"
            left = (key.expires_at - self.now).total_seconds()
            said.append((key, "expired" if left <= 0 else f"expires in {times.span(left)}"))
        return said

    @cached_property
    def together(self) -> Together:
        return Together(self.task, self.person, self.seat, self.now)

    # --- what each button will do ---

    @cached_property
    def opened(self) -> str:
        """When this page was made, to come back with the decision."""
        return guard.opened_now(self.task.pk, self.person.user)

    def keep_opened(self, stamp: str) -> None:
        """The page is only brought up to date, and was opened before."""
        if guard.seconds_open(stamp, self.task.pk, self.person.user) is not None:
            self.opened = stamp

    @property
    def can_decide(self) -> bool:
        return not self.why_not

    @cached_property
    def buttons(self) -> list[asked.Button]:
        return asked.buttons(self.task)

    @property
    def sees_who(self) -> bool:
        return sees_who(self.person, self.task)

    @cached_property
    def way(self) -> Way:
        return Way(self.task, self.decisions)

    @property
    def effects(self) -> list[tuple[str, str]]:
        """What each choice leads to, approving ones first; labels of the same end together."""
        found: dict[tuple[bool, str], list[str]] = {}
        for choice in sorted(choices_of(self.task), key=lambda one: one.is_rejecting):
            end = choice.is_rejecting, self.effect_of(choice)
            found.setdefault(end, []).append(choice.label)
        return [(" / ".join(labels), effect) for (_, effect), labels in found.items()]

    def effect_of(self, choice: Choice) -> str:
        return self.way.after(self.person, self.seat, choice, self._end(choice))

    def _end(self, choice: Choice) -> str:
        if not choice.is_rejecting:
            output = ", without an output of the job" if self.is_job else ""
            return f"{self.workflow} goes on{output}"
        if not self.is_job and self.gate.on_reject == Gate.OnReject.SUCCESS:
            return f"{self.workflow} goes on with approved: false"
        return f"the step fails with {self.gate.reject_error}"

    @property
    def workflow(self) -> str:
        name = self.task.workflow
        return f"workflow {name}" if name else "the workflow"

    @property
    def is_running(self) -> bool:
        """Whether an outside job was taken, so that its own report may still come."""
        return self.job is not None and self.job.last is not None

    @cached_property
    def newer(self) -> str:
        """The id of the task that took this one's place, or ""."""
        found = (event.data.get("newer") for event in self._events)
        return next((str(newer) for newer in found if newer), "")

    # --- what happened ---

    @cached_property
    def timeline(self) -> list[Entry]:
        return timeline(self.task, self.engine, self._events, self._attempts)

    @cached_property
    def _events(self) -> list:
        return events_of(self.task)

    @cached_property
    def _attempts(self) -> list:
        return attempts_of(self.task) if self.callback else []

    @cached_property
    def version(self) -> str:
        """Changes whenever the page would look different, running clocks aside."""
        callback, beat = self.callback, self.heartbeat
        shown = repr(
            (
                self.task.status,
                self.task.approvals,
                self.task.stage,
                self.why_not,
                callback and (callback.status, callback.fence, callback.failures),
                bool(beat),
                beat and (beat.error, beat.sent_at is None),
                [event.pk for event in self._events[-1:]],
                [(one.number, one.result) for one in self._attempts[-1:]],
                self.job and (self.job.percent, self.job.note, self.job.word(self.now)),
            )
        )
        return hashlib.blake2s(shown.encode(), digest_size=8).hexdigest()


def _seat(task: ApprovalTask, person: Person) -> tuple[Seat | None, str]:
    """From which place they could decide, or why they can't."""
    try:
        return check_can_decide(task, person), ""
    except CannotDecide as reason:
        return None, str(reason)
