"""The export is the view as a file: whole, readable, and harmless to a spreadsheet."""

import csv
import io
import json

import pytest
from django.db import transaction
from django.urls import reverse

from approvals.audit import ledger
from approvals.audit.record import Action, event, record
from approvals.models import AuditEvent
from tests.factories import task_for, tasks_for


@pytest.fixture
def auditor(signed_in, audrey):
    return signed_in(audrey)


def exported(client, **asked):
    response = client.get(reverse("ledger_export"), asked)
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_it_holds_the_lines_of_the_view(auditor, gate, alice):
    task = task_for(gate, title="Überweisung, „groß“")
    task_for(gate)
    [line] = exported(auditor, q="überweisung")
    assert line["task"] == str(task.pk)
    assert line["title"] == "Überweisung, „groß“"
    assert line["action"] == "received"
    assert line["person"] == "Countersign"
    assert json.loads(line["data"])["gate"] == "Refunds"


def test_it_goes_past_a_chunk_and_leaves_nothing_out(auditor, gate, monkeypatch):
    monkeypatch.setattr(ledger, "CHUNK", 7)
    tasks_for(gate, 30)
    ids = [int(line["id"]) for line in exported(auditor, action="received")]
    everything = AuditEvent.objects.filter(action="received").order_by("-at", "-id")
    assert ids == list(everything.values_list("pk", flat=True))


def test_it_begins_at_the_newest_whatever_page_is_looked_at(auditor, gate):
    tasks_for(gate, 3)
    oldest = AuditEvent.objects.filter(action="received").order_by("at", "id")[0]
    assert len(exported(auditor, action="received", before=oldest.pk)) == 3


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t=", "\r="])
def test_no_cell_is_a_formula(auditor, gate, begin, audrey):
    evil = f"{begin}HYPERLINK(1)"
    with transaction.atomic():
        one = event(Action.CONFIGURED, actor=audrey)
        one.actor_name = evil
        record(one)
    [line] = exported(auditor, action="configured")
    assert line["person"] == f"'{evil}"


def test_a_title_that_is_a_formula_is_text(auditor, gate):
    task_for(gate, title='=cmd|"/C calc"!A0')
    [line] = exported(auditor, action="received")
    assert line["title"].startswith("'=cmd")


def test_a_view_that_can_not_be_understood_is_not_exported(auditor):
    assert auditor.get(reverse("ledger_export"), {"person": "nobody-here"}).status_code == 400


def test_it_is_a_file_that_is_not_kept(auditor):
    response = auditor.get(reverse("ledger_export"))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment;")
    assert response["Cache-Control"] == "no-store"
