"""DEMO: one execution for each way in. What they need is made first, once our web answers."""

from random import Random

from django.conf import settings
from django.urls import reverse

from demo.aws_resources import AwsResources
from demo.engines import OtherEngines
from demo.inputs import Start
from demo.seed_ways import ways
from demo.way_inputs import WAYS

BY_MINISTACK = ("lambda", "sns", "sns-queue", "eventbridge")
BY_CLOUDFLOW = ("mns", "cloudflow")


def make_ways(others: OtherEngines) -> None:
    """Topics, rules, functions and flows that call us. Any number of times."""
    called = ways()
    others.ministack.make_ways(
        function=called.function,
        topic=called.topic,
        destination=called.destination,
        token_url=settings.SITE_URL + reverse("oauth_token"),
    )
    others.cloudflow.make_flows(
        {"WebhookUrl": called.flow.url, "Authorization": f"Bearer {called.flow.secret}"}
    )


def start_first(aws: AwsResources, others: OtherEngines, random: Random) -> int:
    """One of each where there is none; how many were started."""
    wanted: list[str] = []
    if not aws.has_executions("nightly-report"):
        wanted.append("job")
    if not others.ministack.has_executions():
        wanted += BY_MINISTACK
    if not others.cloudflow.executions():
        wanted += BY_CLOUDFLOW
    if not others.http.executions():
        wanted.append("callback")
    for way in wanted:
        start_one(aws, others, way, random)
    return len(wanted)


def start_one(aws: AwsResources, others: OtherEngines | None, way: str, random: Random) -> None:
    """One more of any way; raises `KeyError` where its engine or its workflow is not there."""
    start = WAYS[way](random)
    if way == "job":
        aws.start(aws.machines()[start.machine], start.name, start.data)
    elif others is None:
        raise KeyError(way)
    else:
        _start_other(others, way, start)


def _start_other(others: OtherEngines, way: str, start: Start) -> None:
    if way in BY_MINISTACK:
        machine = others.ministack.machines()[start.machine]
        others.ministack.start(machine, start.name, start.data)
    elif way in BY_CLOUDFLOW:
        others.cloudflow.start(start.machine, start.name, start.data)
    else:
        called = ways().workflow
        others.http.start(
            start.machine, start.name, webhook=called.url, key=called.secret, **start.data
        )
