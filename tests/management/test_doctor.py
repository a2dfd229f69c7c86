"""`manage.py doctor`: what an engineer is told at 3 a.m."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from approvals.models import ApprovalTask, AuditEvent, Gate, QuarantinedMessage, Source
from tests.factories import ConnectionFactory, GateFactory, SourceFactory, UserFactory
from tests.intake.conftest import moto, queue_url, sqs  # noqa: F401 - fixtures


def doctor(*names: str) -> str:
    """What it prints; raises `CommandError` with it where something is bad."""
    output = io.StringIO()
    try:
        call_command("doctor", *names, stdout=output, no_color=True)
    except CommandError as error:
        raise CommandError(f"{error}\n{output.getvalue()}") from None
    return output.getvalue()


@pytest.fixture
def queue(sqs: Any, queue_url: str, moto: str, gate: Gate, alice: Any) -> Source:
    return SourceFactory(name="refunds queue", queue_url=queue_url, endpoint_url=moto, gate=gate)


@pytest.mark.django_db
def test_a_source_that_is_well_says_so_and_keeps_nothing(queue: Source) -> None:
    told = doctor("refunds queue")
    assert "A test message becomes a task at “Refunds” (not kept)." in told
    assert "BAD" not in told
    assert not ApprovalTask.objects.exists()
    assert not QuarantinedMessage.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db
def test_a_queue_that_is_not_there_is_bad_and_says_what_to_mend(queue: Source) -> None:
    Source.objects.update(queue_url=queue.queue_url + "-gone")
    with pytest.raises(CommandError, match=r"(?s)BAD.*queue does not exist.*→"):
        doctor("refunds queue")


@pytest.mark.django_db
def test_a_gate_that_nobody_can_pass_is_bad(queue: Source) -> None:
    GateFactory(slug="lonely", name="Lonely", quorum=2, users=[UserFactory()])
    Source.objects.update(gate=Gate.objects.get(slug="lonely"))
    with pytest.raises(CommandError, match=r"(?s)BAD.*can't be passed"):
        doctor("refunds queue")


@pytest.mark.django_db
def test_a_gate_that_needs_what_messages_lack_is_met_by_the_test_message(queue: Source) -> None:
    Gate.objects.update(exclude_requester=True, quorum=1)
    UserFactory(username="second", groups=["Payments"])
    assert "A test message becomes a task" in doctor("refunds queue")


@pytest.mark.django_db
def test_without_a_name_everything_is_examined(queue: Source, moto: str) -> None:
    ConnectionFactory(name="aws", kind="step_functions", endpoint_url=moto)
    told = doctor()
    assert "This installation" in told
    assert "PostgreSQL answers" in told
    assert "Connection “aws”: AWS Step Functions" in told
    assert "Source “refunds queue”: Amazon SQS queue" in told


@pytest.mark.django_db
def test_a_pattern_of_hosts_is_met_by_the_test_message(gate: Gate, alice: Any) -> None:
    logic_apps = ConnectionFactory(kind="callback_url", hosts="*.logic.azure.com")
    SourceFactory(name="flows", kind="webhook", queue_url="", connection=logic_apps, gate=gate)
    with pytest.raises(CommandError, match="A test message becomes a task") as found:
        doctor("flows")  # bad all the same: it has no key
    assert "not understood" not in str(found.value)


@pytest.mark.django_db
def test_a_new_installation_hears_what_comes_next() -> None:
    assert "There is no source yet" in doctor()


@pytest.mark.django_db
def test_an_engine_that_can_not_be_reached_is_bad() -> None:
    ConnectionFactory(name="far", kind="step_functions", endpoint_url="http://127.0.0.1:1")
    with pytest.raises(CommandError, match=r"(?s)BAD.*could not be reached"):
        doctor("far")


@pytest.mark.django_db
def test_a_name_that_is_not_there_is_told_from_those_that_are(queue: Source) -> None:
    with pytest.raises(CommandError, match=r"no “refund queue”.*refunds queue"):
        doctor("refund queue")
