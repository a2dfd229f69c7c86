"""Who comes in is on the record; who fails to is in the log, without what they typed."""

import pytest
import structlog
from django.urls import reverse

from approvals.models import AuditEvent


def sign_in(client, name, password):
    return client.post(reverse("account_login"), {"login": name, "password": password})


def test_signing_in_is_on_the_record(client, alice):
    assert sign_in(client, "alice", "correct horse battery").status_code == 302
    line = AuditEvent.objects.get(action="signed_in")
    assert line.actor == alice
    assert line.actor_name == "Alice"
    assert line.data == {"method": "password"}


@pytest.mark.parametrize("name", ["alice", "hunter2-typed-into-the-wrong-field"])
def test_a_failure_is_logged_without_name_or_password(client, alice, name):
    with structlog.testing.capture_logs() as logs:
        sign_in(client, name, "not-the-password")
    [line] = [line for line in logs if line["event"] == "sign-in failed"]
    assert line["ip"] == "127.0.0.1"
    assert len(line["name_hash"]) == 12
    assert name not in str(logs)
    assert "not-the-password" not in str(logs)
    assert not AuditEvent.objects.filter(action="signed_in").exists()
