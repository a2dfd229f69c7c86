"""DEMO: which engines run, by the environment that the start has made. Knows no models."""

import os
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from demo.aws_resources import AwsResources
from demo.cloudflow_resources import CloudFlowResources
from demo.execution import Engine, Execution, NotReached
from demo.http_resources import HTTPResources
from demo.ministack_resources import MiniStackResources

NOT_REACHED = (BotoCoreError, ClientError, NotReached)


@dataclass(frozen=True)
class OtherEngines:
    """What the demo runs beside the first AWS emulator."""

    ministack: MiniStackResources
    cloudflow: CloudFlowResources
    http: HTTPResources


def other_engines() -> OtherEngines | None:
    """None where the start made none, since AWS itself was given."""
    given = os.environ
    if "DEMO_MINISTACK_URL" not in given:
        return None
    return OtherEngines(
        ministack=MiniStackResources(given["DEMO_MINISTACK_URL"]),
        cloudflow=CloudFlowResources(
            given["DEMO_ALIBABA_URL"], given["DEMO_ALIBABA_KEY_ID"], given["DEMO_ALIBABA_SECRET"]
        ),
        http=HTTPResources(given["DEMO_HTTP_FLOWS_URL"]),
    )


def executions(aws: AwsResources, others: OtherEngines | None) -> list[Execution]:
    """All there are, newest first."""
    engines: list[Engine] = [aws]
    if others:
        engines += [others.ministack, others.cloudflow, others.http]
    found = [execution for engine in engines for execution in engine.executions()]
    return sorted(found, key=lambda execution: execution.started_at, reverse=True)
