"""A source that fell silent is noticed, whether it is polled or called."""

import pytest
from django.urls import reverse

from approvals.intake import keys
from approvals.models import Source
from approvals.operations import queries
from tests.factories import SourceFactory
from tests.operations.conftest import earlier


def called(**fields):
    return SourceFactory(kind=Source.Kind.WEBHOOK, queue_url="", **fields)


def silent():
    return {source.name: source.silence for source in queries.sources().rows}


def test_an_address_is_not_polled_hence_not_unread(db):
    called()
    called(last_message_at=earlier(days=90))
    assert silent() == {}


def test_no_message_for_longer_than_expected_is_said_in_hours(db):
    called(name="Quiet", silent_after=24, last_message_at=earlier(hours=26, minutes=5))
    called(name="In time", silent_after=24, last_message_at=earlier(hours=23))
    assert silent() == {"Quiet": "No message for 26 hours; one was expected within 24 hours"}


def test_one_that_never_had_a_message_counts_from_when_it_was_made(db):
    called(name="New", silent_after=1)
    called(name="Forgotten", silent_after=1, created_at=earlier(minutes=70))
    assert silent() == {"Forgotten": "No message for 1 hour; one was expected within 1 hour"}


def test_a_queue_that_is_read_and_stays_empty_is_silent_too(db):
    fields = {"last_poll_at": earlier(seconds=1), "silent_after": 2}
    SourceFactory(name="Empty", last_message_at=earlier(hours=3), **fields)
    SourceFactory(name="Busy", last_message_at=earlier(hours=1), **fields)
    assert silent() == {"Empty": "No message for 3 hours; one was expected within 2 hours"}


def test_one_that_nobody_expects_anything_of_is_never_silent(db):
    SourceFactory(last_poll_at=earlier(seconds=1), last_message_at=earlier(days=400))
    assert silent() == {}


def test_a_disabled_one_is_left_alone(db):
    called(silent_after=1, last_message_at=earlier(days=1), enabled=False)
    assert silent() == {}


@pytest.mark.parametrize("client_of", ["olive", "ada"])
def test_it_is_on_the_page(db, signed_in, request, client_of):
    called(name="Tickets", silent_after=24, last_message_at=earlier(hours=26))
    SourceFactory(name="Unread")
    client = signed_in(request.getfixturevalue(client_of))
    html = client.get(reverse("operations")).content.decode()
    assert "No message for 26 hours; one was expected within 24 hours" in html
    assert html.count("never read yet") == 1


def test_a_message_ends_the_silence_though_it_was_not_understood(db, client):
    """Through the address itself."""
    source = called(name="Tickets", silent_after=1, auth="bearer", created_at=earlier(days=2))
    assert "Tickets" in silent()
    secret = keys.issue(source, None).secret
    response = client.post(
        reverse("intake", args=[source.address]),
        "{}",
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert response.status_code == 422
    assert silent() == {}
