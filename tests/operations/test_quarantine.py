"""A message that was not understood is kept, shown masked, and tried again or put aside."""

import pytest
from cryptography.fernet import Fernet
from django.urls import reverse

from approvals.models import ApprovalTask, AuditEvent
from tests.factories import GateFactory


@pytest.fixture
def operator(signed_in, olive):
    return signed_in(olive)


def replay(client, held):
    return client.post(reverse("quarantine_replay", args=[held.pk]), follow=True)


def discard(client, held, reason):
    url = reverse("quarantine_discard", args=[held.pk])
    return client.post(url, {"reason": reason}, follow=True)


def test_its_page_shows_why_and_no_token(operator, held):
    token = "AQCEAAAAKgAAAAMAAAAAAAAAA" * 8
    message = held(taskToken=token, title="Refund 4711")
    html = operator.get(reverse("quarantined_message", args=[message.pk])).content.decode()
    assert "not-there-yet" in html
    assert "Refund 4711" in html
    assert token[:40] not in html


def test_once_the_cause_is_mended_it_becomes_a_task(operator, held, olive):
    message = held(title="Refund 4711")
    GateFactory(slug="not-there-yet")
    response = replay(operator, message)
    task = ApprovalTask.objects.get()
    assert task.title == "Refund 4711"
    assert f'href="{reverse("task", args=[task.pk])}"' in response.content.decode()
    message.refresh_from_db()
    assert (message.status, message.task_id) == ("replayed", task.pk)
    assert AuditEvent.objects.get(action="quarantine_replayed").actor == olive


def test_what_is_still_not_understood_stays_with_its_new_reason(operator, held, source):
    message = held()
    GateFactory(slug="not-there-yet", exclude_requester=True)
    html = replay(operator, message).content.decode()
    message.refresh_from_db()
    assert (message.status, message.code) == ("held", "no_requester")
    assert "Still not understood" in html
    assert "requestedBy" in html


def test_a_message_that_no_key_opens_is_said_to_be_so(operator, held, settings):
    message = held()
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]
    assert "TOKEN_KEYS" in replay(operator, message).content.decode()
    message.refresh_from_db()
    assert message.status == "held"


def test_discarding_asks_why(operator, held):
    message = held()
    for reason in ("", "   ", "x" * 301, "\x00"):
        response = discard(operator, message, reason)
        assert response.status_code == 400
        assert 'class="error"' in response.content.decode()
    message.refresh_from_db()
    assert message.status == "held"


def test_a_discarded_message_stays_on_the_record(operator, held, olive):
    message = held()
    discard(operator, message, "A test of the sender")
    message.refresh_from_db()
    assert (message.status, message.discard_reason) == ("discarded", "A test of the sender")
    line = AuditEvent.objects.get(action="quarantine_discarded")
    assert line.actor == olive
    assert line.data["reason"] == "A test of the sender"
    html = operator.get(reverse("quarantined_message", args=[message.pk])).content.decode()
    assert "A test of the sender" in html
    assert reverse("quarantine_replay", args=[message.pk]) not in html


def test_whoever_comes_second_is_told_so(operator, held):
    message = held()
    discard(operator, message, "First")
    assert "somebody was first" in discard(operator, message, "Second").content.decode()
    assert "somebody was first" in replay(operator, message).content.decode()
    message.refresh_from_db()
    assert message.discard_reason == "First"


def test_a_message_that_does_not_exist_is_not_found(operator, held):
    nowhere = "00000000-0000-0000-0000-000000000000"
    assert operator.get(reverse("quarantined_message", args=[nowhere])).status_code == 404
