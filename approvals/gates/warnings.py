"""POLICY, allowed but hardly meant: what an administrator is told after a gate is saved."""

from collections.abc import Iterator

from approvals.models import Gate, ReviewRule, User
from approvals.people.roster import members, out_of_reach
from approvals.states import Verdict
from approvals.timers import warnings


def warnings_of(gate: Gate) -> list[str]:
    return [
        *filter(None, [out_of_reach(gate)]),
        *_in_every_team(gate),
        *_output_that_goes_nowhere(gate),
        *warnings.of(gate),
    ]


def _in_every_team(gate: Gate) -> Iterator[str]:
    """Each of several teams has to approve, and one approval counts for all of them."""
    for review in (gate, *gate.stages.all()):
        if review.needs != ReviewRule.Needs.EACH_GROUP or review.quorum > 1:
            continue
        groups = set(review.groups.values_list("pk", flat=True))
        if len(groups) < 2:
            continue
        alone = [user for user, of in members(review).items() if of >= groups]
        for user in User.objects.filter(pk__in=alone).order_by("username")[:5]:
            yield (
                f"{user.display_name} is in every team of “{review}” and can pass it alone: one "
                "approval counts for each team of its giver."
            )


def _output_that_goes_nowhere(gate: Gate) -> Iterator[str]:
    """A failure has an error and a cause, and no output."""
    if gate.on_reject != Gate.OnReject.FAILURE:
        return
    for one in gate.choices:
        if one.get("verdict") == Verdict.REJECT and one.get("output") is not None:
            yield (
                f"The output of “{one['label']}” goes nowhere, since a rejection fails the step "
                "here: its cause names the choice. To send it, let a rejection succeed."
            )
