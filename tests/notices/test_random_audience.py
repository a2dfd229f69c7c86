"""Whoever is told of a task can decide it, and whoever can decide it is told."""

import pytest

from approvals.decisions.rules import can_decide
from approvals.models import ApprovalTask, User
from approvals.notices.audience import deciders
from tests.conftest import person
from tests.people.test_seats import World


@pytest.mark.parametrize("seed", range(8))
def test_the_audience_of_a_task_is_who_can_decide_it(db: None, seed: int) -> None:
    World(seed)
    # What can still be undone is told as if it were: until then no mail about it is written.
    ApprovalTask.objects.update(settles_at=None)
    tasks = list(ApprovalTask.objects.select_related("gate", "claimed_by"))
    able = deciders(task.pk for task in tasks)
    people = [person(user) for user in User.objects.all()]
    told = 0
    for task in tasks:
        allowed = {one.user.pk for one in people if one.user.is_active and can_decide(task, one)}
        assert set(able.get(task.pk, {})) == allowed, (task.pk, task.claimed_by, task.has_places)
        told += len(allowed)
    assert told > 10
