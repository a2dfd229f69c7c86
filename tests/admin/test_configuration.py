"""Whoever changes how Countersign works leaves a line on the record."""

import pytest
from django.db import DatabaseError
from django.urls import reverse

from approvals.admin import on_the_record
from approvals.models import AuditEvent, Connection, Gate, Source
from tests.admin.conftest import form
from tests.factories import ConnectionFactory, GateFactory, SourceFactory, UserFactory, task_for


def configured():
    return AuditEvent.objects.filter(action="configured").latest("id")


def change(client, obj, **changes):
    name = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
    url = reverse(name, args=[obj.pk])
    return client.post(url, form(client.get(url), **changes), follow=True)


def test_a_change_is_recorded_with_its_old_and_new_values(administrator, ada, gate):
    change(administrator, gate, quorum=2, description="Look at the amount")
    gate.refresh_from_db()
    assert gate.quorum == 2
    line = configured()
    assert line.actor == ada
    assert line.data == {
        "model": "gate",
        "object": "Refunds",
        "id": str(gate.pk),
        "change": "changed",
        "changes": {"approvals required": [1, 2], "description": ["", "Look at the amount"]},
    }


def test_teams_and_reviewers_of_a_gate_are_recorded_by_name(administrator, gate, alice, charlie):
    team = charlie.groups.get()
    change(administrator, gate, groups=[team.pk], users=[alice.pk])
    assert configured().data["changes"] == {
        "groups": [["Payments"], ["Platform"]],
        "users": [[], ["Alice"]],
    }


def test_saving_without_a_change_records_nothing(administrator, gate):
    change(administrator, gate)
    assert not AuditEvent.objects.filter(action="configured").exists()


def test_what_is_added_is_recorded(administrator):
    url = reverse("admin:approvals_connection_add")
    administrator.post(url, form(administrator.get(url), name="Ireland", region="eu-west-1"))
    assert Connection.objects.get().region == "eu-west-1"
    line = configured()
    assert (line.data["change"], line.data["object"]) == ("added", "Ireland")
    assert line.data["changes"]["region"] == [None, "eu-west-1"]
    assert line.data["changes"]["engine"] == [None, "AWS Step Functions"]


def test_a_source_is_recorded_with_the_names_of_its_gate_and_connection(administrator, gate):
    source = SourceFactory()
    other = ConnectionFactory(name="Ireland")
    change(administrator, source, gate=gate.pk, connection=other.pk, enabled="")
    assert configured().data["changes"] == {
        "enabled": [True, False],
        "connection": [source.connection.name, "Ireland"],
        "gate": [None, "Refunds"],
    }


def test_a_change_that_can_not_be_recorded_does_not_happen(administrator, gate, monkeypatch):
    def broken(*events):
        raise DatabaseError

    monkeypatch.setattr(on_the_record, "record", broken)
    with pytest.raises(DatabaseError):
        change(administrator, gate, quorum=2)
    gate.refresh_from_db()
    assert gate.quorum == 1


def test_what_is_deleted_is_recorded(superuser):
    gate = GateFactory(name="Unused")
    superuser.post(reverse("admin:approvals_gate_delete", args=[gate.pk]), {"post": "yes"})
    assert not Gate.objects.exists()
    assert configured().data["change"] == "deleted"
    assert configured().data["changes"]["name"] == ["Unused", None]


def test_administrators_do_not_delete(administrator, gate):
    url = reverse("admin:approvals_gate_delete", args=[gate.pk])
    assert administrator.post(url, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("what", ["gate", "source", "connection", "user"])
def test_what_is_in_use_stays_and_says_why(superuser, gate, alice, source, what):
    from approvals.decisions.decide import decide
    from tests.conftest import person

    task = task_for(gate, source)
    decide(task.pk, person(alice), "approve", via="inbox")
    obj = {"gate": gate, "source": source, "connection": source.connection, "user": alice}[what]
    url = reverse(f"admin:approvals_{what}_delete", args=[obj.pk])
    for response in (
        superuser.get(url, follow=True),
        superuser.post(url, {"post": "yes"}, follow=True),
    ):
        assert response.status_code == 200
        assert "can&#x27;t be deleted" in response.content.decode()
    assert type(obj).objects.filter(pk=obj.pk).exists()


def test_a_bulk_delete_is_not_offered(superuser, gate):
    url = reverse("admin:approvals_gate_changelist")
    superuser.post(url, {"action": "delete_selected", "_selected_action": [gate.pk], "post": "yes"})
    assert Gate.objects.filter(pk=gate.pk).exists()


def test_a_gate_that_nobody_can_pass_is_said_to_be_so(administrator, gate, alice, bob):
    assert "can&#x27;t be passed" not in change(administrator, gate, quorum=2).content.decode()
    html = change(administrator, gate, quorum=3).content.decode()
    assert "it requires 3 approvals and has 2 active reviewers" in html


def test_reviewers_who_left_do_not_count_and_nobody_counts_twice(administrator, gate, alice, bob):
    bob.is_active = False
    bob.save()
    html = change(administrator, gate, quorum=2, users=[alice.pk, bob.pk]).content.decode()
    assert "has 1 active reviewer." in html


def test_a_requester_who_would_be_needed_is_mentioned(administrator, gate, alice, bob):
    html = change(administrator, gate, quorum=2, exclude_requester="on").content.decode()
    assert "when a reviewer is the requester: then 1 of the 2 required" in html


def test_the_slug_that_messages_use_is_not_changed_by_a_new_name(administrator, gate):
    change(administrator, gate, name="Refunds and credits")
    gate.refresh_from_db()
    assert gate.slug == "refunds"


def test_how_a_source_is_doing_is_not_configuration(administrator, source):
    Source.objects.filter(pk=source.pk).update(last_error="x")
    change(administrator, source, last_error="", enabled="")
    source.refresh_from_db()
    assert source.last_error == "x"
    assert set(configured().data["changes"]) == {"enabled"}


def test_lists_cost_the_same_however_long_they_are(administrator, django_assert_max_num_queries):
    for _ in range(12):
        gate = GateFactory(groups=["A"])
        SourceFactory(gate=gate)
        UserFactory(groups=["A"])
    for model in ("gate", "source", "connection", "user"):
        with django_assert_max_num_queries(10):
            administrator.get(reverse(f"admin:approvals_{model}_changelist"))
