"""Quarantine as a page: by source and reason, in pages, tried again one by one or all at once."""

import json

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.intake.accept import accept
from approvals.models import ApprovalTask, AuditEvent, QuarantinedMessage, Source
from approvals.operations import held as looked_up, queries
from approvals.tokens import encrypt
from tests.factories import GateFactory, SourceFactory, message
from tests.operations.conftest import earlier


@pytest.fixture
def operator(signed_in, olive):
    return signed_in(olive)


@pytest.fixture
def tickets(db):
    return SourceFactory(name="Tickets")


@pytest.fixture
def orders(db):
    return SourceFactory(name="Orders")


def hold(source, *bodies):
    accept(source, list(bodies))
    return list(QuarantinedMessage.objects.order_by("-received_at", "-id")[: len(bodies)])


def unknown_gate(name="not-there-yet"):
    return message(gate=name)


def page(client, **asked):
    response = client.get(reverse("quarantine"), asked)
    assert response.status_code == 200
    return response


def shown(client, **asked):
    return set(page(client, **asked).context["found"].rows)


def replay_all(client, **view):
    return client.post(reverse("quarantine_replay_all"), view, follow=True)


def test_nothing_is_in_quarantine(operator):
    assert "Nothing is in quarantine" in page(operator).content.decode()


def test_messages_are_shown_by_source_and_reason(operator, tickets, orders):
    bad = hold(tickets, "not json", "not json either")
    gateless = hold(tickets, unknown_gate())
    other = hold(orders, "not json at all")
    assert shown(operator) == {*bad, *gateless, *other}
    assert shown(operator, source=tickets.pk) == {*bad, *gateless}
    assert shown(operator, code="not_json") == {*bad, *other}
    assert shown(operator, source=tickets.pk, code="not_json") == set(bad)
    assert shown(operator, source=orders.pk, code="unknown_gate") == set()


def test_how_many_there_are_is_said_for_each(operator, tickets, orders):
    hold(tickets, "a", "b", unknown_gate())
    hold(orders, "c")
    context = page(operator).context
    assert [row[:2] for row in context["sources"]] == [("Orders", 1), ("Tickets", 3)]
    assert [row[:2] for row in context["codes"]] == [("not_json", 3), ("unknown_gate", 1)]
    context = page(operator, source=tickets.pk).context
    assert [row[:2] for row in context["codes"]] == [("not_json", 2), ("unknown_gate", 1)]
    assert [row[3] for row in context["sources"]] == [False, True]


def test_only_the_beginning_is_shown_and_no_token(operator, tickets):
    token = "AQCEAAAAKgAAAAMAAAAAAAAAA" * 8
    hold(tickets, message(taskToken=token, title="Refund 4711", gate="nowhere", input="x" * 900))
    html = page(operator).content.decode()
    assert "Refund 4711" in html
    assert token[:20] not in html
    assert "x" * 200 not in html


def test_pages_have_no_gaps_and_keep_the_filter(operator, tickets, orders, monkeypatch):
    monkeypatch.setattr(queries, "SHOWN", 2)
    expected = hold(tickets, *(f"{number} is wrong" for number in range(5)))
    hold(orders, "and another one")
    response = page(operator, source=tickets.pk)
    seen = list(response.context["found"].rows)
    while more := response.context["more"]:
        assert f"source={tickets.pk}" in more
        response = operator.get(more)
        seen += response.context["found"].rows
    assert seen == expected


def test_what_was_dealt_with_is_not_listed(operator, tickets):
    one, two = hold(tickets, "one", "two")
    operator.post(reverse("quarantine_discard", args=[one.pk]), {"reason": "A test"})
    assert shown(operator) == {two}


def test_all_of_a_kind_are_replayed(operator, tickets, orders, olive):
    mended = hold(tickets, unknown_gate(), unknown_gate())
    left = hold(tickets, unknown_gate("elsewhere"), "no json")
    other = hold(orders, unknown_gate())
    GateFactory(slug="not-there-yet")
    html = replay_all(operator, source=tickets.pk, code="unknown_gate").content.decode()
    assert "Understood now: 2 messages." in html
    assert "Still not understood: 1." in html
    assert ApprovalTask.objects.count() == len(mended)
    assert shown(operator) == {*left, *other}
    lines = AuditEvent.objects.filter(action="quarantine_replayed")
    assert {line.actor for line in lines} == {olive}
    assert lines.count() == len(mended)
    assert "Understood now: 1 message." in replay_all(operator).content.decode()


def test_a_batch_is_bounded_and_those_that_stay_do_not_block_the_rest(
    operator, tickets, monkeypatch
):
    monkeypatch.setattr(looked_up, "BATCH", 2)
    hold(tickets, unknown_gate("a"), unknown_gate("b"))
    hold(tickets, unknown_gate(), unknown_gate(), unknown_gate())
    QuarantinedMessage.objects.filter(code="unknown_gate").update(received_at=earlier(minutes=1))
    GateFactory(slug="not-there-yet")
    response = replay_all(operator)
    assert "Still not understood: 2." in response.content.decode()
    assert "Replay the next 2" in response.content.decode()
    for understood in (2, 1):
        beyond = response.context["beyond"]
        response = replay_all(operator, beyond=beyond)
        assert f"Understood now: {understood} message" in response.content.decode()
    assert response.context["beyond"] is None
    assert ApprovalTask.objects.count() == 3


def test_nothing_left_to_replay_is_said(operator, tickets):
    assert "nothing left to replay" in replay_all(operator, source=tickets.pk).content.decode()


def test_one_that_no_key_opens_does_not_stop_the_others(operator, tickets, settings):
    hold(tickets, unknown_gate())
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]
    hold(tickets, unknown_gate())
    GateFactory(slug="not-there-yet")
    html = replay_all(operator).content.decode()
    assert "None of the TOKEN_KEYS can open 1." in html
    assert "Understood now: 1 message." in html


def test_a_mended_mapping_is_what_a_replay_goes_by(operator, tickets, gate):
    hold(tickets, json.dumps({"ticket": {"subject": "Refund 17", "handle": "the-token"}}))
    Source.objects.filter(pk=tickets.pk).update(
        mapping={"token": "ticket.handle", "title": "ticket.subject"}, gate=gate
    )
    replay_all(operator, code="no_token")
    assert ApprovalTask.objects.get().title == "Refund 17"


def test_news_of_an_execution_is_replayed_to_nothing(operator, tickets):
    arn = "arn:aws:states:eu-west-1:123456789012:execution:refunds:order-17"
    event = {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": arn,
            "stateMachineArn": arn.replace("execution", "stateMachine").rsplit(":", 1)[0],
            "name": "order-17",
            "status": "ABORTED",
            "startDate": 1795341600000,
            "stopDate": 1795341660000,
        },
    }
    [held] = hold(tickets, "no json")
    # As one that an older version did not understand.
    QuarantinedMessage.objects.update(body_ciphertext=encrypt(json.dumps(event)))
    url = reverse("quarantine_replay", args=[held.pk])
    assert "news of an execution" in operator.post(url, follow=True).content.decode()
    html = operator.get(reverse("quarantined_message", args=[held.pk])).content.decode()
    assert "news of an execution" in html


def test_after_a_replay_the_filter_is_still_there(operator, tickets):
    [held] = hold(tickets, unknown_gate())
    GateFactory(slug="not-there-yet")
    url = reverse("quarantine_replay", args=[held.pk])
    response = operator.post(url, {"source": tickets.pk, "code": "unknown_gate"})
    assert response["Location"] == f"/operations/quarantine/?source={tickets.pk}&code=unknown_gate"


def test_whoever_manages_sources_is_led_to_the_trial(operator, signed_in, ada, tickets):
    [held] = hold(tickets, "no json")
    page_url = reverse("quarantined_message", args=[held.pk])
    trial = f"/admin/approvals/source/{tickets.pk}/change/?held={held.pk}#trial"
    assert trial not in operator.get(page_url).content.decode()
    assert trial in signed_in(ada).get(page_url).content.decode()


@pytest.mark.parametrize(
    "asked",
    [
        {"source": "x"},
        {"source": "9" * 30},
        {"source": "0"},
        {"code": "\x00"},
        {"code": "Not A Code'"},
        {"after": "x"},
        {"after": "00000000-0000-0000-0000-000000000000"},
        {"beyond": "x"},
    ],
)
def test_an_odd_address_is_no_error(operator, tickets, asked):
    hold(tickets, "no json")
    page(operator, **asked)
    assert replay_all(operator, **asked).status_code == 200


def test_its_queries_do_not_grow_and_read_no_body(operator, tickets):
    def queries_of():
        with CaptureQueriesContext(connection) as captured:
            page(operator, source=tickets.pk)
        sql = " ".join(query["sql"] for query in captured)
        assert "ciphertext" not in sql
        assert "digest" not in sql
        return len(captured)

    hold(tickets, "one")
    page(operator)  # what the menu shows is kept for some seconds
    few = queries_of()
    for number in range(10):
        hold(SourceFactory(), f"{number} is wrong", unknown_gate())
        hold(tickets, f"{number} is wrong", unknown_gate())
    assert queries_of() == few <= 8


def test_the_overview_shows_the_newest_few_and_leads_here(operator, tickets):
    newest = hold(tickets, *(f"{number} is wrong" for number in range(8)))[: queries.FEW]
    response = operator.get(reverse("operations"))
    found = response.context["found"]["quarantine"]
    assert (found.rows, found.count) == (newest, 8)
    html = response.content.decode()
    assert f'href="{reverse("quarantine")}"' in html
    assert "All 8, by source and reason" in html


@pytest.mark.parametrize("name", ["alice", "audrey"])
def test_only_operators_come_in(signed_in, request, client, tickets, name):
    hold(tickets, unknown_gate())
    GateFactory(slug="not-there-yet")
    user = signed_in(request.getfixturevalue(name))
    assert user.get(reverse("quarantine")).status_code == 403
    assert user.post(reverse("quarantine_replay_all")).status_code == 403
    assert client.get(reverse("quarantine")).status_code == 302
    assert client.post(reverse("quarantine_replay_all")).status_code == 302
    assert not ApprovalTask.objects.exists()


def test_a_link_or_another_site_replays_nothing(olive, signed_in, tickets):
    hold(tickets, unknown_gate())
    GateFactory(slug="not-there-yet")
    strict = signed_in(olive, enforce_csrf_checks=True)
    assert strict.get(reverse("quarantine_replay_all")).status_code == 405
    assert strict.post(reverse("quarantine_replay_all")).status_code == 403
    assert not ApprovalTask.objects.exists()
