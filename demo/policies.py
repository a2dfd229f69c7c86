"""DEMO: one execution for each thing that gates can ask for, once people can be asked; and what
colleagues have done at some of them."""

import time
from random import Random

from approvals.decisions.ask import ask
from approvals.decisions.claim import claim
from approvals.decisions.decide import decide
from approvals.decisions.hand_over import hand_over
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, Decision, User
from approvals.people.eligibility import Person
from approvals.states import Verdict
from demo.aws_resources import AwsResources
from demo.policy_inputs import one_of_each, repeated_release

ARRIVES_WITHIN = 30  # seconds


def start_policies(aws: AwsResources, random: Random) -> int:
    """Where there are none yet; how many were started."""
    if aws.has_executions("office-request"):
        return 0
    machine = aws.machines()["office-request"]
    starts = one_of_each(random)
    for start in starts:
        aws.start(machine, start.name, start.data)
    return len(starts)


def colleagues_act(aws: AwsResources, random: Random) -> None:
    """Somebody is on a task, has handed one over, has asked about one, and has approved one that
    the workflow then asks again. What people have done themselves meanwhile stays."""
    people = User.objects.in_bulk(["lea", "tom", "jonas", "mira"], field_name="username")
    lea, jonas, tom = (Person(people[name]) for name in ("lea", "jonas", "tom"))

    def approve_and_ask_again(task: ApprovalTask) -> None:
        decide(task.pk, tom, Verdict.APPROVE, via=Decision.Via.INBOX)
        again = repeated_release(random)
        aws.start(aws.machines()[again.machine], again.name, again.data)

    for title, act in (
        ("Replace two disks", lambda task: claim(task.pk, lea)),
        (
            "Switch the cooling",
            lambda task: hand_over(task.pk, jonas, people["tom"], "You know the second loop."),
        ),
        ("New cable", lambda task: ask(task.pk, lea, people["mira"], "Is it paid already?")),
        ("Release prices", approve_and_ask_again),
    ):
        task = _task(title)
        if task:
            try:
                act(task)
            except CannotDecide as reason:
                print(f"“{task}” is left as it is: {reason}", flush=True)


def _task(title: str) -> ApprovalTask | None:
    """The pending task, once its message has been taken in."""
    until = time.monotonic() + ARRIVES_WITHIN
    waiting = ApprovalTask.objects.pending().filter(
        gate__slug__in=("server-room", "repeated-releases"), title__startswith=title
    )
    while time.monotonic() < until:
        if task := waiting.last():
            return task
        time.sleep(0.2)
    return None
