"""What a mail provider reports, what operators do about it, and what doctor says."""

import base64
import contextlib
import datetime as dt
import io
import json

import pytest
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import RequestFactory
from django.urls import reverse

from approvals.jobs import tell_people
from approvals.models import AuditEvent, Gate, Mail, User
from tests.admin.conftest import form
from tests.factories import task_for
from tests.notices.conftest import mailed

SECRET = "provider:a long secret"


@pytest.fixture
def sent(gate, alice, settings):
    """A mail that the provider has taken; it calls it 0."""
    settings.EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}
    task_for(gate)
    tell_people()
    mail = Mail.objects.get()
    assert (mail.status, mail.provider_id) == ("sent", "0")
    return mail


def report(kind: str, message_id: str, recipient: str, secret: str = SECRET) -> int:
    body = {"RecordType": "Bounce", "Type": kind, "MessageID": message_id, "Email": recipient}
    request = RequestFactory().post(
        "/anymail/postmark/tracking/",
        json.dumps(body | {"BouncedAt": "2026-03-02T09:17:00Z", "ID": 1}),
        content_type="application/json",
        headers={"authorization": "Basic " + base64.b64encode(secret.encode()).decode()},
    )
    return PostmarkTrackingWebhookView.as_view()(request).status_code


def test_a_bounce_that_is_reported_later_stops_mails_until_the_address_is_corrected(
    gate, sent, alice, ada, signed_in
):
    assert report("HardBounce", "0", alice.email) == 200
    assert report("HardBounce", "0", alice.email) == 200, "they may say it twice"
    sent.refresh_from_db()
    assert sent.status == "bounced"
    assert "bounced" in sent.last_error
    [line] = AuditEvent.objects.filter(action="mail_refused")
    assert alice.email not in json.dumps(line.data)

    task_for(gate)
    tell_people()
    assert Mail.objects.count() == 1
    page = reverse("admin:approvals_user_change", args=[alice.pk])
    administrator = signed_in(ada)
    values = form(administrator.get(page), email="alice@new.example")
    assert administrator.post(page, values).status_code == 302
    alice.refresh_from_db()
    assert (alice.email, alice.mail_refused_at) == ("alice@new.example", None)


def test_a_bounce_that_comes_before_the_mail_is_written_down_stops_mails_too(sent, alice):
    assert report("HardBounce", "not known yet", alice.email.upper()) == 200
    alice.refresh_from_db()
    assert alice.mail_refused_at


def test_nobody_else_reports_bounces(sent, alice):
    with pytest.raises(Exception, match="basic auth"):
        report("HardBounce", "0", alice.email, secret="x:y")
    alice.refresh_from_db()
    assert alice.mail_refused_at is None


@pytest.fixture
def refused(gate, alice, mail_server):
    task_for(gate, title="Refund 4711")
    mail_server.answers["RCPT"] = "550 5.1.1 no such user"
    tell_people()
    mail_server.answers.clear()
    return Mail.objects.get()


def test_a_refused_mail_is_shown_and_sent_again(refused, alice, olive, signed_in, mail_server):
    client = signed_in(olive)
    html = client.get(reverse("operations")).content.decode()
    assert "550 5.1.1 no such user" in html
    assert alice.email in html
    assert "Refund 4711" in html
    User.objects.filter(pk=alice.pk).update(email="alice@new.example")
    client.post(reverse("mail_send", args=[refused.pk]))
    alice.refresh_from_db()
    assert mailed(mail_server, alice) == [1]
    assert client.get(reverse("operations")).context["found"]["mails"].count == 0
    [line] = AuditEvent.objects.filter(action="replayed")
    assert (line.actor, line.data["told"], line.data["was"]) == (olive, "Alice", "bounced")


def test_a_refused_mail_is_set_aside_with_a_reason(refused, alice, olive, signed_in, mail_server):
    client, url = signed_in(olive), reverse("mail_set_aside", args=[refused.pk])
    client.post(url)
    assert Mail.objects.get().status == "bounced", "why?"
    client.post(url, {"reason": "She has left"})
    client.post(url, {"reason": "Twice"})
    assert Mail.objects.get().status == "dropped"
    [line] = AuditEvent.objects.filter(action="set_aside")
    assert line.data["reason"] == "She has left"
    assert mailed(mail_server, alice) == [0]
    task = client.get(reverse("task", args=[line.task_id])).content.decode()
    assert "set the mail to Alice aside" in task
    assert "The address of Alice refused a mail" in task


def doctor() -> str:
    output = io.StringIO()
    with contextlib.suppress(CommandError):
        call_command("doctor", stdout=output, no_color=True)
    return output.getvalue()


def test_doctor_says_whether_mails_are_sent(gate, alice, bob, settings, mail_server):
    task_for(gate)
    tell_people()
    assert "Mails are sent." in doctor()
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 9
    task_for(gate)
    tell_people()
    assert "The last mail was not sent: ConnectionRefusedError" in doctor()
    Mail.objects.update(created_at=Now() - dt.timedelta(minutes=6))
    assert "mails overdue" in doctor()
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert "No mail server is configured" in doctor()
    assert Gate.objects.count() == 1
    assert port
