"""NOTICES, for whom a mail is written: what they may see and decide of its tasks, and their links.

A constant number of queries, however many tasks a mail has; writes the links' rows.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone

from approvals.models import ApprovalTask, Decision, Mail, Notice
from approvals.notices import links
from approvals.notices.words import Kind
from approvals.people.eligibility import Person
from approvals.people.roles import SEE_EVERY_TASK


class Reader:
    """For whom a mail is written; what it needs of all its tasks, in a constant number of
    queries."""

    def __init__(self, mail: Mail, notices: Sequence[Notice]) -> None:
        self.user = notices[0].person
        self.person = Person(self.user)
        self.now = timezone.now()
        tasks = list({notice.task_id: notice.task for notice in notices}.values())
        standing = Decision.objects.standing().select_related("reviewer", "on_behalf_of")
        prefetch_related_objects(
            tasks,
            Prefetch("decisions", standing.order_by("decided_at", "id"), to_attr="standing"),
            "places__user",
            "places__stands_for",
            "gate__stages",
        )
        self.tasks = {task.pk: task for task in tasks}
        self.holders = {task.pk: holder for task in tasks if (holder := self._holder(task))}
        to_decide = (one for one in notices if one.kind not in (Kind.ASKED, Kind.MOVED))
        linked = {one.task_id for one in to_decide} & self.holders.keys()
        self.addresses: Mapping[UUID, str] = links.addresses(
            mail, [self.tasks[pk] for pk in sorted(linked)], self.user
        )

    def _holder(self, task: ApprovalTask) -> int | None:
        """From whose place they could decide now; by the rule that `check_can_decide` goes by."""
        if not task.is_pending or task.settles_at:
            return None
        decisions = decisions_of(task)
        if any(one.reviewer_id == self.user.pk for one in decisions):
            return None
        seats = self.person.seats_at(task, decisions)
        return seats[0].holder if seats else None

    def sees(self, task: ApprovalTask) -> bool:
        """As `Person.can_see`, save for those who were only asked about it."""
        return (
            self.person.reviews(task)
            or self.user.has_perm(SEE_EVERY_TASK)
            or any(
                one.user_id == self.user.pk or one.group_id in self.person.group_ids
                for one in task.places.all()
            )
        )


def decisions_of(task: ApprovalTask) -> list[Decision]:
    """Those that stand, as `Reader` has found them."""
    return task.standing  # type: ignore[attr-defined, no-any-return]
