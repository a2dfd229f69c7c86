"""WHO may see a task and who may decide it. Asked by pages, API and admin alike."""

from functools import cached_property

from django.db.models import Q
from django.db.models.functions import Lower
from django.template.defaultfilters import pluralize

from approvals.models import ApprovalTask, Gate, User
from approvals.people.roles import SEE_EVERY_TASK


class Person:
    """The signed-in user, with what one request asks about them again and again. One query."""

    def __init__(self, user: User) -> None:
        self.user = user

    @cached_property
    def gates(self) -> dict[int, str]:
        """The gates that name this person, by themselves or through a group, and for what each
        waits (`Gate.Kind`)."""
        return dict(
            Gate.objects.filter(groups__user=self.user)
            .values_list("pk", "kind")
            .union(Gate.objects.filter(users=self.user).values_list("pk", "kind"))
        )

    @property
    def gate_ids(self) -> frozenset[int]:
        return frozenset(self.gates)

    def reviews(self, task: ApprovalTask) -> bool:
        return task.gate_id in self.gate_ids

    def can_see(self, task: ApprovalTask) -> bool:
        return self.reviews(task) or self.user.has_perm(SEE_EVERY_TASK)


def is_requester(user: User, task: ApprovalTask) -> bool:
    """Whether `user` asked for this. Messages name people by user name or email."""
    if task.requester_id:
        return task.requester_id == user.pk
    asked = task.requested_by.casefold()
    return bool(asked) and asked in (user.username.casefold(), user.email.casefold())


def find_requesters(names: set[str]) -> dict[str, int]:
    """User ids by case-folded user name or email, for those of `names` that are known."""
    folded = {name.casefold() for name in names if name}
    if not folded:
        return {}
    found: dict[str, int] = {}
    users = User.objects.annotate(name=Lower("username"), mail=Lower("email"))
    for pk, name, mail in users.filter(Q(name__in=folded) | Q(mail__in=folded)).values_list(
        "pk", "name", "mail"
    ):
        found[name] = pk
        if mail:
            found[mail] = pk
    return {name: pk for name, pk in found.items() if name in folded}


def out_of_reach(gate: Gate) -> str:
    """Why nobody can pass `gate`, or blank."""
    able = (
        User.objects.filter(is_active=True)
        .filter(Q(gates=gate) | Q(groups__gates=gate))
        .distinct()
        .count()
    )
    if able < gate.quorum:
        return (
            f"“{gate}” can't be passed: it requires {gate.quorum} "
            f"approval{pluralize(gate.quorum)} and has {able} active reviewer{pluralize(able)}. "
            "Add a team or reviewers."
        )
    if gate.exclude_requester and able == gate.quorum:
        return (
            f"“{gate}” can't be passed when a reviewer is the requester: then {able - 1} of the "
            f"{able} required approvals can be given. Add one more reviewer."
        )
    return ""
