"""Records can be looked at in the admin, and changed by nobody, a superuser included."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.admin.paginator import CappedPaginator
from approvals.callbacks.deliver import deliver
from approvals.decisions.decide import decide
from approvals.intake.accept import accept
from approvals.models import (
    ApprovalTask,
    AuditEvent,
    Callback,
    Decision,
    Heartbeat,
    QuarantinedMessage,
)
from approvals.states import Verdict
from tests.conftest import person
from tests.factories import message, task_for

RECORDS = [ApprovalTask, Decision, Callback, Heartbeat, AuditEvent, QuarantinedMessage]


def url(model, page, *args):
    return reverse(f"admin:approvals_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def one_more(gate, alice, source):
    """One more of every record."""

    def make():
        task_for(gate, heartbeatSeconds=60)
        task = task_for(gate, heartbeatSeconds=60)
        decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
        deliver(task.callback.pk)
        accept(source, [message(gate="nowhere")])

    return make


@pytest.mark.parametrize("model", RECORDS)
def test_a_record_is_shown(superuser, one_more, model):
    one_more()
    for row in model.objects.all():
        assert superuser.get(url(model, "change", row.pk)).status_code == 200
    assert superuser.get(url(model, "changelist")).status_code == 200


@pytest.mark.parametrize("model", RECORDS)
def test_nobody_adds_changes_or_deletes_one(superuser, one_more, model):
    one_more()
    row = model.objects.first()
    before = list(model.objects.order_by("pk").values())
    addresses = [url(model, "add"), url(model, "change", row.pk), url(model, "delete", row.pk)]
    for address in addresses:
        assert superuser.post(address, {"post": "yes"}).status_code == 403
    assert superuser.get(url(model, "add")).status_code == 403
    assert superuser.get(url(model, "delete", row.pk)).status_code == 403
    superuser.post(
        url(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk]}
    )
    assert list(model.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("model", RECORDS)
def test_a_list_costs_the_same_however_long_it_is(superuser, one_more, model):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            superuser.get(url(model, "changelist"))
        return len(captured)

    one_more()
    few = queries()
    for _ in range(8):
        one_more()
    assert queries() == few <= 12


@pytest.mark.parametrize("model", RECORDS)
def test_no_secret_is_read(superuser, one_more, model):
    one_more()
    row = model.objects.first()
    with CaptureQueriesContext(connection) as captured:
        superuser.get(url(model, "changelist"))
        superuser.get(url(model, "change", row.pk))
        superuser.get(url(model, "history", row.pk))
    sql = " ".join(query["sql"] for query in captured)
    for column in ("ciphertext", "digest", "payload"):
        assert column not in sql


def test_the_attempts_of_a_callback_are_shown_and_stay(superuser, one_more):
    one_more()
    callback = Callback.objects.get()
    html = superuser.get(url(Callback, "change", callback.pk)).content.decode()
    assert "There is no such token." in html
    assert 'name="attempts-0-result"' not in html


def test_millions_are_not_counted(gate, monkeypatch):
    monkeypatch.setattr("approvals.admin.paginator.COUNTED", 3)
    for _ in range(5):
        task_for(gate)
    assert CappedPaginator(ApprovalTask.objects.order_by("pk"), 2).count == 3


@pytest.mark.parametrize("name", ["alice", "olive", "audrey"])
def test_only_staff_come_in(signed_in, request, name):
    client = signed_in(request.getfixturevalue(name))
    assert client.get(reverse("admin:index"), follow=True).status_code == 403


def test_what_other_apps_would_add_is_not_there(superuser):
    """Secrets of single sign-on, authenticators and email addresses."""
    html = superuser.get(reverse("admin:index")).content.decode()
    for name in ("socialaccount", "mfa", "account/emailaddress", "authenticator"):
        assert f"/admin/{name}" not in html
    assert superuser.get("/admin/mfa/authenticator/").status_code == 404
