"""PostgreSQL itself refuses to change the record."""

import pytest
from django.db import DatabaseError, connection, transaction

from approvals.audit.record import Action, event, record
from approvals.models import AuditEvent
from tests.factories import task_for


@pytest.fixture
def line(gate):
    return AuditEvent.objects.get(task=task_for(gate))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE approvals_auditevent SET actor_name = 'Mallory'",
        "DELETE FROM approvals_auditevent",
        "TRUNCATE approvals_auditevent",
        "TRUNCATE approvals_approvaltask CASCADE",
    ],
)
def test_it_can_not_be_changed_deleted_or_emptied(line, statement):
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEvent.objects.get(pk=line.pk).actor_name == ""


def test_nor_through_the_models(line):
    with pytest.raises(DatabaseError), transaction.atomic():
        line.save()
    with pytest.raises(DatabaseError), transaction.atomic():
        line.delete()


@pytest.mark.django_db(transaction=True)
def test_an_event_is_only_written_with_its_change():
    with pytest.raises(AssertionError):
        record(event(Action.CONFIGURED))
