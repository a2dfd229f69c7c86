"""Any gates at all: what was applied is what the database says, and what it says can be applied."""

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from hypothesis import given, settings, strategies as st

from approvals.gates.apply import apply, export
from approvals.gates.document import STAGES, Document, read, write
from approvals.gates.keys import keys_of
from approvals.models import AuditEvent, Calendar, Gate, Stage
from approvals.models.gate import SILENCE_APPROVES
from tests.factories import UserFactory
from tests.gates.test_document import json

TEAMS, PEOPLE = ["Legal", "Zürich \U0001f512", "on: [x]"], ["amy", "yes", "1e3"]
# Everything that PostgreSQL keeps: also what ends lines, and what YAML writes by an escape.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
labels = st.text("aZ9 ä-:#", min_size=1, max_size=8).filter(lambda one: one == one.strip())
spans = st.none() | st.integers(1, 5_000)


def some(of):
    return st.lists(st.sampled_from(of), unique=True).map(sorted)


def defaults(model):
    return {name: key.default for name, key in keys_of(model).items()}


@st.composite
def rules(draw):
    groups = draw(some(TEAMS))
    needs = draw(st.sampled_from(["count", "majority", *(["each"] if groups else [])]))
    return {
        "groups": groups,
        "users": draw(some(PEOPLE)),
        "needs": needs,
        "quorum": draw(st.integers(1, 9)),
        "veto": draw(st.booleans()),
    }


@st.composite
def forms(draw):
    asked = st.fixed_dictionaries({"type": st.sampled_from(["string", "boolean"]), "title": labels})
    properties = draw(st.dictionaries(st.text("bca", min_size=1), asked, min_size=1, max_size=4))
    return draw(st.sampled_from([{}, {"type": "object", "properties": properties}]))


@st.composite
def gates(draw, calendars):
    alone = draw(st.none() | st.integers(1, 60))
    remind, escalate = draw(spans), draw(some(TEAMS))
    ends = draw(st.sampled_from(Gate.AtDeadline.values))
    choice = {"key": draw(labels), "label": draw(labels), "output": draw(json)}
    names = draw(st.lists(labels, max_size=3, unique_by=str.casefold))
    return {
        **defaults(Gate),
        **draw(rules()),
        "name": draw(texts),
        "description": draw(texts),
        "form": draw(forms()),
        "choices": draw(st.sampled_from([[], [choice], [{**choice, "verdict": "reject"}]])),
        "editable": draw(some(["", "/a", "/a/b~0"])),
        "mails": alone is not None or draw(st.booleans()),
        "link_hours": draw(st.integers(1, 100)),
        "link_alone_minutes": alone,
        "calendar": draw(st.sampled_from([None, *calendars])),
        "remind_after_minutes": remind,
        "remind_every_minutes": draw(spans) if remind else None,
        "escalate_to": escalate,
        "escalate_after_minutes": draw(spans.filter(bool)) if escalate else None,
        "warn_before_minutes": draw(spans),
        "at_deadline": ends,
        "silence": SILENCE_APPROVES if ends == "approve" else "",
        "timeout_seconds": draw(spans),
        STAGES: [{**defaults(Stage), **draw(rules()), "name": name} for name in names],
    }


@st.composite
def documents(draw):
    zones = st.sampled_from(["UTC", "Europe/Vienna"])
    closed = some(["2026-12-24", "2027-01-02"])
    made = st.fixed_dictionaries({"time_zone": zones, "closed": closed}).map(
        lambda said: {**defaults(Calendar), **said}
    )
    calendars = draw(st.dictionaries(texts, made, max_size=2))
    slugs = st.from_regex(r"\A[a-c]\Z")
    return Document(
        calendars=calendars,
        gates=draw(st.dictionaries(slugs, gates(list(calendars)), min_size=1, max_size=2)),
    )


@pytest.mark.django_db
def test_what_is_applied_is_exported_whatever_was_there_before():
    Group.objects.bulk_create(Group(name=name) for name in TEAMS)
    for name in PEOPLE:
        UserFactory(username=name)

    @settings(deadline=None, max_examples=25)
    @given(documents(), documents())
    def walk(first, second):
        with transaction.atomic():
            for document in (first, second):
                text = write(document)
                apply(read(text), by="test", file="test")
                before = AuditEvent.objects.count()
                there = export(document.gates)
                assert there.gates == document.gates
                # The order of a form's properties is that of its fields.
                assert [
                    list(one["form"].get("properties", ())) for one in there.gates.values()
                ] == [
                    list(document.gates[slug]["form"].get("properties", ())) for slug in there.gates
                ]
                assert apply(read(text), by="test", file="test") == []
                assert apply(read(write(export())), by="test", file="test") == []
                assert AuditEvent.objects.count() == before
            transaction.set_rollback(True)

    walk()
