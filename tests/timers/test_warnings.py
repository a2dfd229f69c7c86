"""Times of a gate that can't work: said with what to change, before somebody waits in vain."""

import pytest
from django.contrib.auth.models import Group

from approvals.models import Calendar, Gate
from approvals.operations.examine import examine_installation
from approvals.timers.warnings import of
from tests.conftest import TEAM
from tests.factories import GateFactory, task_for


def warnings(**fields: object) -> str:
    return " ".join(of(GateFactory(groups=[TEAM], **fields)))


def test_a_gate_as_it_comes_has_nothing_to_warn_of(gate):
    assert of(gate) == []
    assert of(GateFactory(kind=Gate.Kind.JOB, decide_within_minutes=5, timeout_seconds=1)) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"remind_after_minutes": 60, "escalate_after_minutes": 60}, "Remind sooner than"),
        ({"remind_after_minutes": 90, "decide_within_minutes": 90}, "remind sooner than"),
        ({"escalate_after_minutes": 99, "decide_within_minutes": 90}, "escalate sooner"),
        ({"warn_before_minutes": 120, "decide_within_minutes": 90}, "warn less than 90 min before"),
        ({"undo_seconds": 60, "decide_within_minutes": 1}, "Shorten the undo"),
        ({"remind_every_minutes": 60}, "say after how long"),
        ({"remind_after_minutes": 60, "mails": False}, "Have reviewers mailed"),
        ({"at_deadline": "reject"}, "only where the workflow has a deadline"),
        ({"decide_within_minutes": 120, "timeout_seconds": 3600}, "times out after 1 h"),
        ({"remind_after_minutes": 60, "timeout_seconds": 45}, "times out after 45 s"),
        ({"undo_seconds": 30, "timeout_seconds": 60}, "so it will be less"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(db, fields, says):
    assert says in warnings(**fields)


def test_a_short_time_to_decide_needs_no_warning_of_its_own(db):
    assert warnings(decide_within_minutes=30) == ""


def test_working_hours_make_a_time_longer(db):
    hours = {"mon": [["09:00", "09:10"]]}
    calendar = Calendar.objects.create(name="Ten minutes a week", hours=hours)
    assert warnings(decide_within_minutes=60, timeout_seconds=86_400) == ""
    assert "Choose less" in warnings(
        decide_within_minutes=60, timeout_seconds=86_400, calendar=calendar
    )


def test_what_tasks_really_had_counts_and_doctor_says_it_too(gate, django_assert_max_num_queries):
    gate.remind_after_minutes = 60
    gate.save()
    gate.escalate_to.add(Group.objects.get(name=TEAM))
    for seconds in (7200, 600):
        task_for(gate, timeoutSeconds=seconds)
    with django_assert_max_num_queries(1):
        [warning] = of(gate)
    assert warning.startswith("Reminders come after 1 h, but a step that waits here times out")
    found = [one.what for one in examine_installation()]
    assert f"Gate “{gate}”: {warning}" in found
