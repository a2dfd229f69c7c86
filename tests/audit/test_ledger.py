"""The ledger finds what happened, page by page, and leaves nothing out."""

import datetime as dt

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.audit import ledger
from approvals.audit.ledger import View
from approvals.audit.record import Action, event, record
from approvals.decisions.decide import decide
from approvals.models import AuditEvent, Decision
from approvals.states import Verdict
from tests.conftest import person
from tests.factories import GateFactory, UserFactory, task_for, tasks_for


@pytest.fixture
def auditor(signed_in, audrey):
    return signed_in(audrey)


def shown(client, **asked):
    response = client.get(reverse("ledger"), asked)
    assert response.status_code == 200, response.context["form"].errors
    return response.context["lines"]


def approve(task, user):
    decide(task.pk, person(user), Verdict.APPROVE, comment="Looks right", via=Decision.Via.INBOX)


def write(*events):
    with transaction.atomic():
        record(*events)


def test_a_line_says_when_who_what_and_about_which_task(auditor, alice, gate):
    task = task_for(gate, title="Refund 4711")
    approve(task, alice)
    html = auditor.get(reverse("ledger")).content.decode()
    assert "Refund 4711" in html
    assert reverse("task", args=[task.pk]) in html
    line = next(line for line in shown(auditor) if line.what == "Approved")
    assert line.who == "Alice"
    assert line.when.endswith("UTC")
    assert ("Comment", "Looks right") in line.details
    assert next(line for line in shown(auditor) if line.what == "Received").who == "Countersign"


def test_the_newest_comes_first(auditor, gate):
    first, second = task_for(gate), task_for(gate)
    titles = [line.title for line in shown(auditor, action="received")]
    assert titles == [second.title, first.title]


def test_it_is_filtered_by_what_happened(auditor, alice, gate):
    approve(task_for(gate), alice)
    assert {line.what for line in shown(auditor, action="settled")} == {"Settled"}


@pytest.mark.parametrize("name", ["alice", "ALICE", "alice@example.com"])
def test_it_is_filtered_by_person(auditor, alice, gate, name):
    approve(task_for(gate), alice)
    assert [line.what for line in shown(auditor, person=name)] == ["Approved"]


def test_what_no_person_did_can_be_asked_for(auditor, alice, gate):
    approve(task_for(gate), alice)
    assert {line.what for line in shown(auditor, person="countersign")} == {"Received", "Settled"}


def test_it_is_filtered_by_gate(auditor, gate):
    task = task_for(gate)
    task_for(GateFactory(slug="other"))
    assert [line.task_id for line in shown(auditor, gate="refunds")] == [task.pk]


@pytest.mark.parametrize("q", ["4711", "refu", "Refund 47", "run-99", "{id}"])
def test_a_task_is_found_by_words_their_beginnings_and_its_id(auditor, gate, q):
    context = {"Execution": {"Id": "arn:aws:states:eu-west-1:1:execution:refunds:run-99"}}
    task = task_for(gate, title="Refund 4711", context=context)
    task_for(gate, title="Something else")
    found = shown(auditor, q=q.format(id=task.pk))
    assert [line.task_id for line in found] == [task.pk]


def test_an_execution_is_found_by_its_arn(auditor, gate):
    arn = "arn:aws:states:eu-west-1:1:execution:refunds:run-99"
    task = task_for(gate, context={"Execution": {"Id": arn}})
    assert [line.task_id for line in shown(auditor, q=arn)] == [task.pk]


def test_days_begin_and_end_in_the_time_zone_of_the_reader(signed_in, audrey):
    audrey.time_zone = "Pacific/Auckland"  # 13 hours ahead in January
    audrey.save()
    auditor = signed_in(audrey)
    late = event(Action.CONFIGURED, model="gate", object="late evening")
    late.at = dt.datetime(2026, 1, 9, 10, 59, 59, tzinfo=dt.UTC)
    midnight = event(Action.CONFIGURED, model="gate", object="midnight")
    midnight.at = dt.datetime(2026, 1, 9, 11, 0, tzinfo=dt.UTC)
    write(late, midnight)

    def on(day):
        return [line.details[0][1] for line in shown(auditor, since=day, until=day)]

    assert on("2026-01-09") == ["gate “late evening” changed"]
    assert on("2026-01-10") == ["gate “midnight” changed"]
    assert shown(auditor, since="2026-01-10")[-1].when == "10 Jan 2026, 00:00:00 NZDT"


def test_pages_leave_nothing_out_and_repeat_nothing(auditor, gate):
    """Events of one transaction share their time; the id tells them apart."""
    tasks_for(gate, 230)
    seen, asked = [], {"action": "received"}
    while True:
        response = auditor.get(reverse("ledger"), asked)
        seen += [line.id for line in response.context["lines"]]
        if not response.context["older"]:
            break
        asked["before"] = seen[-1]
        assert f"before={seen[-1]}" in response.content.decode()
    everything = AuditEvent.objects.filter(action="received").order_by("-at", "-id")
    assert seen == list(everything.values_list("pk", flat=True))
    assert len(seen) == 230


def test_what_happens_meanwhile_does_not_shift_the_next_page(gate):
    tasks_for(gate, 150)
    first = ledger.page(View(action="received"))
    tasks_for(gate, 10)
    second = ledger.page(View(action="received"), first.older)
    ids = [row["id"] for row in first.rows + second.rows]
    assert len(ids) == len(set(ids)) == 150


@pytest.mark.parametrize(
    "asked",
    [
        {"action": "nonsense"},
        {"person": "nobody-here"},
        {"person": "a\x00b"},
        {"gate": "nonsense"},
        {"gate": "a\x00b"},
        {"since": "yesterday"},
        {"since": "0001-01-01"},
        {"until": "9999-12-31"},
        {"since": "2026-02-30"},
        {"since": "2026-02-02", "until": "2026-02-01"},
        {"before": "-1"},
        {"before": "9" * 30},
        {"before": "x"},
        {"q": "x" * 500},
        {"q": "\x00"},
    ],
)
def test_what_can_not_be_understood_finds_nothing_and_says_so(auditor, gate, asked):
    task_for(gate)
    response = auditor.get(reverse("ledger"), asked)
    assert response.status_code == 400
    assert not response.context["lines"]
    assert 'class="error"' in response.content.decode()


@pytest.mark.parametrize(
    "q",
    [
        "'",
        "\\",
        "' | 'a",
        "a & | !",
        ":*",
        "<->",
        "a:b:c",
        "\\'",
        "(((",
        "%",
        "\ud800",
        "🙂",
        "'':*",
    ],
)
def test_no_search_text_breaks_the_query(auditor, gate, q):
    task_for(gate, title="a")
    text = q.encode("utf-8", "replace").decode()
    assert auditor.get(reverse("ledger"), {"q": text}).status_code == 200


def test_a_line_that_does_not_exist_has_nothing_older(auditor, gate):
    task_for(gate)
    assert not shown(auditor, before=10**12)


def test_its_queries_do_not_grow_with_its_lines(auditor, gate, alice):
    def queries():
        shown(auditor)  # what the menu shows is kept for some seconds
        with CaptureQueriesContext(connection) as captured:
            assert shown(auditor, q="task", gate="refunds", action="approved", person="alice")
        return len(captured)

    approve(task_for(gate), alice)
    few = queries()
    for _ in range(20):
        approve(task_for(gate), alice)
        UserFactory()
    assert queries() == few <= 10


def test_neither_payloads_nor_secrets_are_read(auditor, gate):
    task_for(gate, input={"amount": 1})
    with CaptureQueriesContext(connection) as captured:
        shown(auditor)
    sql = " ".join(query["sql"] for query in captured)
    for column in ("payload", "token_ciphertext", "token_digest", "summary"):
        assert column not in sql


@pytest.mark.parametrize("name", ["alice", "olive"])
def test_only_auditors_come_in(signed_in, request, client, name):
    for url in (reverse("ledger"), reverse("ledger_export")):
        assert signed_in(request.getfixturevalue(name)).get(url).status_code == 403
        response = client.get(url)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account_login"))


def test_it_is_read_and_nothing_else(auditor):
    for name in ("ledger", "ledger_export"):
        assert auditor.post(reverse(name)).status_code == 405
