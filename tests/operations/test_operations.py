"""Whatever is stuck is shown with its reason, and one button does something about it."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.models import AuditEvent, Callback, Heartbeat, Source
from approvals.states import CallbackStatus
from tests.factories import SourceFactory, task_for
from tests.operations.conftest import earlier


@pytest.fixture
def operator(signed_in, olive):
    Source.objects.update(last_poll_at=earlier(seconds=1))
    return signed_in(olive)


def page(client, **asked):
    response = client.get(reverse("operations"), asked)
    assert response.status_code == 200
    return response


def found(client, name):
    return page(client).context["found"][name]


def test_all_is_well(operator):
    response = page(operator)
    assert response.context["all_is_well"]
    assert "All is well" in response.content.decode()


def test_a_refused_answer_is_shown_with_its_reason(operator, dead):
    callback = dead(title="Refund 4711")
    html = page(operator).content.decode()
    callback.refresh_from_db()
    assert callback.last_error in html
    assert "Refund 4711" in html
    assert reverse("callback_send", args=[callback.pk]) in html
    assert "All is well" not in html


@pytest.mark.parametrize("stuck", ["dead", "unconfirmed"])
def test_it_is_sent_again(operator, request, stuck, olive):
    callback = request.getfixturevalue(stuck)()
    response = operator.post(reverse("callback_send", args=[callback.pk]), follow=True)
    assert "It is being sent again." in response.content.decode()
    callback.refresh_from_db()
    assert (callback.status, callback.failures) == (CallbackStatus.DUE, 0)
    line = AuditEvent.objects.get(action="replayed")
    assert (line.actor, line.task_id, line.data) == (olive, callback.task_id, {"was": stuck})


def test_what_has_moved_on_meanwhile_is_not_sent_again(operator, owed):
    callback = owed()
    response = operator.post(reverse("callback_send", args=[callback.pk]), follow=True)
    assert "nothing to send again" in response.content.decode()
    assert not AuditEvent.objects.filter(action="replayed").exists()


def test_answers_that_are_owed_for_long_are_shown(operator, owed):
    callback = owed()
    assert found(operator, "waiting").count == 0
    Callback.objects.filter(pk=callback.pk).update(created_at=earlier(seconds=61))
    assert found(operator, "waiting").rows == [callback]


def test_late_and_failing_heartbeats_are_shown(operator, gate):
    on_time, late, failing = (task_for(gate, heartbeatSeconds=60) for _ in range(3))
    Heartbeat.objects.filter(task=on_time).update(due_at=earlier(seconds=5))
    Heartbeat.objects.filter(task=late).update(due_at=earlier(seconds=15))
    Heartbeat.objects.filter(task=failing).update(due_at=earlier(seconds=-20), error="No entry")
    response = page(operator)
    rows = response.context["found"]["heartbeats"].rows
    assert [row.task_id for row in rows] == [late.pk, failing.pk]
    assert "No entry" in response.content.decode()


def test_silent_and_failing_sources_are_shown(operator):
    fine = SourceFactory(last_poll_at=earlier(seconds=20))
    silent = SourceFactory(last_poll_at=earlier(minutes=5))
    failing = SourceFactory(last_poll_at=earlier(seconds=1), last_error="Access denied")
    never = SourceFactory()
    SourceFactory(enabled=False)
    rows = found(operator, "sources").rows
    assert fine not in rows
    assert set(rows) == {silent, failing, never}


def test_an_operator_is_not_sent_where_only_administrators_may_go(operator, signed_in, ada):
    source = SourceFactory()
    address = reverse("admin:approvals_source_change", args=[source.pk])
    assert address not in page(operator).content.decode()
    assert address in page(signed_in(ada)).content.decode()


def test_long_lists_have_pages_without_gaps(operator, dead, monkeypatch):
    from approvals.operations import queries

    monkeypatch.setattr(queries, "SHOWN", 2)
    callbacks = [dead() for _ in range(5)]
    response = page(operator)
    seen = list(response.context["found"]["dead"].rows)
    while more := response.context["found"]["dead"].more:
        assert f"list=dead&amp;after={more}" in response.content.decode()
        response = page(operator, list="dead", after=more)
        assert set(response.context["found"]) == {"dead"}
        seen += response.context["found"]["dead"].rows
    assert seen == callbacks[::-1]


def test_lists_with_one_cause_say_how_many_there_are(operator, gate, monkeypatch):
    from approvals.operations import queries

    monkeypatch.setattr(queries, "SHOWN", 2)
    monkeypatch.setattr(queries, "COUNTED", 3)
    for _ in range(5):
        task_for(gate, heartbeatSeconds=60)
    Heartbeat.objects.update(due_at=earlier(minutes=1))
    response = page(operator)
    assert len(response.context["found"]["heartbeats"].rows) == 2
    assert "The first 2 of 3+." in response.content.decode()


@pytest.mark.parametrize(
    "asked",
    [
        {"list": "nonsense", "after": "0"},
        {"list": "dead", "after": "x"},
        {"list": "dead", "after": "00000000-0000-0000-0000-000000000000"},
        {"list": "sources", "after": "\x00"},
    ],
)
def test_an_odd_address_is_no_error(operator, dead, asked):
    dead()
    page(operator, **asked)


def test_its_queries_do_not_grow(operator, dead, unconfirmed, held):
    def queries():
        page(operator)  # what the menu shows is kept for some seconds
        with CaptureQueriesContext(connection) as captured:
            page(operator)
        return len(captured)

    def more():
        dead()
        unconfirmed()
        held(gate=f"gate-{more.count}")
        SourceFactory()
        more.count += 1

    more.count = 0
    more()
    few = queries()
    for _ in range(5):
        more()
    assert queries() == few <= 20


def test_nothing_secret_is_read(operator, dead, held):
    dead()
    held()
    with CaptureQueriesContext(connection) as captured:
        page(operator)
    sql = " ".join(query["sql"] for query in captured)
    for column in ("ciphertext", "digest", "payload", '"output"'):
        assert column not in sql


@pytest.mark.parametrize("name", ["alice", "audrey"])
def test_only_operators_come_in(signed_in, request, client, dead, held, name):
    callback, message = dead(), held()
    user = signed_in(request.getfixturevalue(name))
    read = [reverse("operations"), reverse("quarantined_message", args=[message.pk])]
    acted = [
        reverse("callback_send", args=[callback.pk]),
        reverse("quarantine_replay", args=[message.pk]),
        reverse("quarantine_discard", args=[message.pk]),
    ]
    for url in read:
        assert user.get(url).status_code == 403
        assert client.get(url).status_code == 302
    for url in acted:
        assert user.post(url, {"reason": "x"}).status_code == 403
        assert client.post(url, {"reason": "x"}).status_code == 302
    callback.refresh_from_db()
    message.refresh_from_db()
    assert (callback.status, message.status) == ("dead", "held")


def test_a_link_or_another_site_does_nothing(olive, signed_in, dead, held):
    callback, message = dead(), held()
    strict: Client = signed_in(olive, enforce_csrf_checks=True)
    for url in (
        reverse("callback_send", args=[callback.pk]),
        reverse("quarantine_replay", args=[message.pk]),
        reverse("quarantine_discard", args=[message.pk]),
    ):
        assert strict.get(url).status_code == 405
        assert strict.post(url, {"reason": "x"}).status_code == 403
    assert not AuditEvent.objects.filter(actor=olive).exclude(action="signed_in").exists()


@pytest.mark.parametrize("stuck", ["dead", "unconfirmed"])
def test_what_cannot_be_helped_is_set_aside_with_a_reason(operator, request, stuck, olive):
    callback = request.getfixturevalue(stuck)()
    url = reverse("callback_set_aside", args=[callback.pk])
    operator.post(url, {"reason": " "})
    assert found(operator, stuck).count == 1, "without a reason it stays"

    response = operator.post(url, {"reason": "The console shows that it went on"}, follow=True)

    assert "Set aside." in response.content.decode()
    assert found(operator, stuck).count == 0
    callback.refresh_from_db()
    assert callback.status == stuck, "nothing is claimed that nobody knows"
    line = AuditEvent.objects.get(action="set_aside")
    assert (line.actor, line.data["reason"]) == (olive, "The console shows that it went on")
    task_page = operator.get(reverse("task", args=[callback.task_id])).content.decode()
    assert "Olive set the answer aside" in task_page
    assert (
        "nothing to set aside" in operator.post(url, {"reason": "x"}, follow=True).content.decode()
    )

    operator.post(reverse("callback_send", args=[callback.pk]))
    callback.refresh_from_db()
    assert callback.set_aside_at is None, "sent again, it is watched again"
