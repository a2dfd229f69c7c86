"""NOTICES, one task as a mail shows it to one person: enough to decide, never a token.

Reads nothing for each task: `Reader` has asked for all of them at once.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString

from approvals.asked.choices import Choice, choices_of
from approvals.asked.form import form_of
from approvals.inbox import markdown
from approvals.models import Decision, Gate, Notice, ReviewRule, Stage
from approvals.notices import words
from approvals.notices.plain import clean, cut, cut_lines, fields_of, from_html, one_line
from approvals.notices.reader import Reader, decisions_of
from approvals.notices.words import Kind
from approvals.states import Verdict

SOON = dt.timedelta(hours=1)
MAX_SUMMARY, MAX_QUOTE, MAX_LINKS, MAX_DECISIONS = 2_000, 600, 5, 8
TALK = (Kind.ASKED, Kind.ANSWERED, Kind.MOVED)


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    url: str
    tone: str  # a `Verdict`, or "open"
    effect: str = ""  # what it does, as a sentence


@dataclass(frozen=True, slots=True)
class Said:
    """One decision, as a line."""

    who: str
    verdict: Verdict
    words: str
    comment: str


class Item:
    """What the templates ask about one notice."""

    def __init__(self, notice: Notice, reader: Reader) -> None:
        self.reader, self.data = reader, notice.data
        self.task = reader.tasks[notice.task_id]
        self.gate: Gate = self.task.gate
        self.address = reader.addresses.get(self.task.pk, "")
        # Settled between the notice and this mail: then that is the news.
        late = notice.kind not in TALK and not self.task.is_pending
        self.kind: str = Kind.SETTLED if late else notice.kind

    # --- what is asked ---

    @property
    def title(self) -> str:
        return one_line(self.task.title)

    @property
    def gate_name(self) -> str:
        return one_line(self.gate.name)

    @cached_property
    def by(self) -> str:
        """Who did what the notice is about, or has it now."""
        return one_line(str(self.data.get("by") or ""), 60) or words.colleague()

    @property
    def quote(self) -> str:
        """What they wrote with it."""
        key = {Kind.ASKED: "question", Kind.ANSWERED: "answer"}.get(Kind(self.kind), "note")
        return cut(clean(str(self.data.get(key) or "")).strip(), MAX_QUOTE)

    @property
    def question(self) -> str:
        """What it answers."""
        said = one_line(str(self.data.get("question") or ""), 300)
        return words.you_asked(said) if said and self.kind == Kind.ANSWERED else ""

    @cached_property
    def _summary(self) -> tuple[str, bool]:
        return cut_lines(clean(self.task.summary), MAX_SUMMARY)

    @cached_property
    def summary_html(self) -> SafeString:
        return markdown.render(self._summary[0])

    @property
    def summary_text(self) -> str:
        return from_html(self.summary_html)

    @property
    def summary_cut(self) -> str:
        return words.cut_summary() if self._summary[1] else ""

    @property
    def is_changed(self) -> bool:
        return self.task.edited_payload is not None

    @cached_property
    def _fields(self) -> tuple[list[tuple[str, str]], int]:
        return fields_of(self.task.edited_payload if self.is_changed else self.task.payload)

    @property
    def fields(self) -> list[tuple[str, str]]:
        return self._fields[0]

    @property
    def more_fields(self) -> str:
        return words.more_fields(self._fields[1]) if self._fields[1] > 0 else ""

    @property
    def links(self) -> list[tuple[str, str]]:
        shown = [
            (one_line(str(link.get("title", "")), 80), str(link.get("url", "")))
            for link in self.task.links
        ]
        web = [(text or url, url) for text, url in shown if url.startswith(("https://", "http://"))]
        return web[:MAX_LINKS]

    # --- where it stands ---

    @property
    def outcome(self) -> str:
        return words.outcome(self.task.status, words.names([one.who for one in self._settlers]))

    @property
    def _settlers(self) -> list[Said]:
        verdict = Verdict.REJECT if self.task.status == "rejected" else Verdict.APPROVE
        return [one for one in self.decisions if one.verdict == verdict]

    @property
    def badge(self) -> str:
        return words.badge(self.kind, self.outcome)

    @property
    def is_plain(self) -> bool:
        """Whether its badge would only say what the heading above it says."""
        return self.kind == Kind.ARRIVED

    @property
    def tone(self) -> str:
        if self.kind == Kind.SETTLED:
            good = self.task.status in ("approved", "succeeded")
            bad = self.task.status in ("rejected", "failed")
            return "approve" if good else "reject" if bad else "plain"
        return "soon" if self.kind in (Kind.RUNNING_OUT, Kind.ESCALATED) else "open"

    @property
    def subject(self) -> str:
        return words.subject(self.kind, self.title, self.by, self.outcome)

    @property
    def lead(self) -> str:
        if self.kind == Kind.RUNNING_OUT:
            return words.then(self.gate, by_gate=self.deadline != self.task.deadline)
        return words.lead(self.kind, self.task.status, self.by)

    @property
    def deadline(self) -> dt.datetime | None:
        return self.task.runs_out_at

    @property
    def deadline_words(self) -> str:
        at = self.deadline
        return words.when(at) if at and self.task.is_pending else ""

    @property
    def left(self) -> str:
        at = self.deadline
        return words.left(at, self.reader.now) if at and self.task.is_pending else ""

    @property
    def is_urgent(self) -> bool:
        at = self.deadline
        return at is not None and at - self.reader.now < SOON

    @property
    def where(self) -> str:
        return one_line(f"{self.task.workflow} · {self.task.state}".strip(" ·"), 120)

    @property
    def requested_by(self) -> str:
        return one_line(self.task.requested_by, 120)

    @property
    def approvals(self) -> str:
        if not self.task.is_pending or self.task.required < 2:
            return ""
        return words.approvals(self.task.approvals, self.task.required)

    @cached_property
    def decisions(self) -> list[Said]:
        labels = {choice.key: choice.label for choice in choices_of(self.task) if choice.key}
        return [
            Said(
                _who(one),
                Verdict(one.verdict),
                words.said(one.verdict, one_line(labels.get(one.choice, one.choice), 60)),
                cut(clean(one.comment).strip(), MAX_QUOTE),
            )
            for one in decisions_of(self.task)[-MAX_DECISIONS:]
        ]

    # --- what can be done ---

    @cached_property
    def buttons(self) -> list[Button]:
        """The ways to decide; none where this person has nothing to decide (any more)."""
        main = self.main
        if main is None or self.kind == Kind.ASKED or form_of(self.task):
            return [main] if main else []
        return [self._button(choice) for choice in choices_of(self.task)]

    @property
    def main(self) -> Button | None:
        """The one button where there is room for one, or more than a verdict is asked."""
        if self.kind == Kind.ASKED:
            return Button(words.open_and_answer(), self._page, "open")
        if not self.address or self.kind in (Kind.SETTLED, Kind.MOVED):
            return None
        return Button(words.open_and_decide(), self.address, "open")

    def _button(self, choice: Choice) -> Button:
        asked = {"verdict": choice.verdict.value} | ({"choice": choice.key} if choice.key else {})
        given = one_line(choice.label, 60)
        return Button(
            given if choice.key else words.label(self.gate, choice.verdict, given),
            f"{self.address}?{urlencode(asked)}",
            choice.verdict.value,
            self._effect(choice.verdict),
        )

    def _effect(self, verdict: Verdict) -> str:
        workflow = one_line(self.task.workflow, 80)
        if verdict == Verdict.REJECT:
            return words.on_reject(self.gate, workflow, veto=self._review.veto)
        following = [one for one in self._stages if one.position > self.task.stage]
        missing = self.task.required - self.task.approvals - 1
        return words.on_approve(missing, one_line(following[0].name) if following else "", workflow)

    @property
    def effects(self) -> list[tuple[str, str]]:
        """What each verdict leads to; choices of one verdict differ in what goes back, not here."""
        labels: dict[str, list[str]] = {}
        for one in self.buttons:
            if one.effect:
                labels.setdefault(one.effect, []).append(one.label)
        return [(" / ".join(said), effect) for effect, said in labels.items()]

    @property
    def _stages(self) -> list[Stage]:
        return [] if self.gate.kind == Gate.Kind.JOB else list(self.gate.stages.all())

    @property
    def _review(self) -> ReviewRule:
        passed = [one for one in self._stages if one.position <= self.task.stage]
        return passed[-1] if passed and self.task.stage else self.gate

    @property
    def open_url(self) -> str:
        """The task's page; blank for a requester, who may not see it, and where a button has it."""
        return "" if self.kind == Kind.ASKED else self._page

    @property
    def _page(self) -> str:
        if self.kind in TALK or self.reader.sees(self.task):
            return settings.SITE_URL + reverse("task", args=[self.task.pk])
        return ""

    @property
    def open_label(self) -> str:
        return words.open_task()

    # --- below ---

    @property
    def about_links(self) -> str:
        return words.about_links(self.gate.link_alone_minutes) if self.has_link else ""

    @property
    def has_link(self) -> bool:
        """Whether one of its buttons leads to a decision."""
        return self.main is not None and self.main.url == self.address

    @property
    def because(self) -> str:
        holder = self.reader.holders.get(self.task.pk)
        principal = self.reader.person.principals.get(holder) if holder else None
        stands_in = self.kind in (Kind.ARRIVED, Kind.REMINDED, Kind.RUNNING_OUT) and principal
        return words.because(
            self.kind,
            self.gate_name,
            self.by,
            one_line(str(principal), 60) if stands_in else "",
            requested=self.task.requester_id == self.reader.user.pk,
        )


def _who(decision: Decision) -> str:
    name = one_line(decision.reviewer.display_name, 60)
    if not decision.on_behalf_of:
        return name
    return words.in_place_of(name, one_line(decision.on_behalf_of.display_name, 60))
