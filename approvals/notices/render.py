"""NOTICES, the mail itself: its notices as a subject, a text and HTML, for the one who reads it.

Written anew for each try. The addresses in it are secrets: no part of it is kept or logged.
"""

import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import css_inline
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from approvals.models import Mail, Notice, User
from approvals.notices import body, words
from approvals.notices.item import TALK, Item
from approvals.notices.plain import cut, one_line
from approvals.notices.reader import Reader
from approvals.notices.words import Kind

MAX_SUBJECT = 150
MAX_ITEMS = 50  # in a digest; some mail programs cut what is longer than 100 kB

# Of several notices of one task that waits, the one that says most about it.
_TELLING = (Kind.HANDED_OVER, Kind.ESCALATED, Kind.RUNNING_OUT, Kind.REMINDED, Kind.ARRIVED)


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str  # one line of at most `MAX_SUBJECT` characters
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Section:
    """Of a digest."""

    name: str
    items: Sequence[Item]
    more: str = ""  # “and 12 more”


def render(mail: Mail, notices: Sequence[Notice]) -> Rendered:
    """`notices`: those of `mail`, at least one, with `person`, `task` and `task__gate` loaded.

    A constant number of queries; also writes the links' rows (`links.addresses`).
    """
    person = notices[0].person
    with translation.override(person.language), timezone.override(_zone(person)):
        reader = Reader(mail, notices)
        waiting, talk, settled = _sorted([Item(notice, reader) for notice in notices])
        items = [*waiting, *talk, *settled]
        if len(items) == 1:
            return _rendered(items[0].subject, "mail/task.html", _one(items[0]))
        subject = words.digest_subject(len(waiting), len(talk), len(settled))
        return _rendered(subject, "mail/digest.html", _digest(subject, waiting, talk, settled))


def _rendered(subject: str, template: str, context: dict) -> Rendered:
    context |= {
        "facts": words.facts(),
        "language": translation.get_language(),
        "preferences_url": settings.SITE_URL + reverse("preferences"),
        "preferences_label": words.preferences(),
    }
    context["subject"] = subject = one_line(subject, MAX_SUBJECT)
    html = _inliner().inline(render_to_string(template, context))
    return Rendered(subject, body.text(context), html)


def _one(item: Item) -> dict:
    said = [item.gate_name, item.left, item.requested_by, *(f"{k}: {v}" for k, v in item.fields)]
    return {
        "item": item,
        "preheader": cut(one_line(" · ".join(filter(None, said))), 110),
        "about_links": item.about_links,
        "because": item.because,
    }


def _digest(
    subject: str, waiting: Sequence[Item], talk: Sequence[Item], settled: Sequence[Item]
) -> dict:
    left, sections = MAX_ITEMS, []
    for name, items in zip(words.sections(), (waiting, talk, settled), strict=True):
        if items:
            rest = len(items) - left
            more = words.more(rest) if rest > 0 else ""
            sections.append(Section(name, items[:left], more))
            left = max(0, left - len(items))
    alone = [item.gate.link_alone_minutes for item in (*waiting, *talk) if item.has_link]
    first = [item.title for section in sections for item in section.items[:3]]
    return {
        "heading": subject,
        "sections": sections,
        "preheader": cut(" · ".join(first), 110),
        "inbox_url": settings.SITE_URL + reverse("inbox"),
        "inbox_label": words.inbox(),
        "about_links": words.about_links(min(filter(None, alone), default=None)) if alone else "",
        "because": words.because_digest(),
    }


def _sorted(items: Sequence[Item]) -> tuple[list[Item], list[Item], list[Item]]:
    """What waits, by deadline; what colleagues say; what is settled. Each task once, but for what
    colleagues say."""
    talk = [item for item in items if item.kind in TALK]
    settled = {item.task.pk: item for item in items if item.kind == Kind.SETTLED}
    waiting: dict[object, Item] = {}
    for kind in _TELLING:
        for item in items:
            if item.kind == kind and item.task.pk not in settled:
                waiting.setdefault(item.task.pk, item)
    late = [item for item in waiting.values() if item.deadline is None]
    due = [item for item in waiting.values() if item.deadline is not None]
    return (
        [*sorted(due, key=lambda item: (item.deadline, item.task.pk)), *late],
        talk,
        list(settled.values()),
    )


def _zone(person: User) -> zoneinfo.ZoneInfo | None:
    return zoneinfo.ZoneInfo(person.time_zone or timezone.get_default_timezone_name())


@lru_cache(maxsize=1)
def _inliner() -> css_inline.CSSInliner:
    """Mail programs read `style` attributes; what they know of `@media` stays at the top."""
    return css_inline.CSSInliner(
        keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False
    )
