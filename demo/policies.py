"""DEMO: one execution for each thing that gates can ask for, once people can be asked."""

from random import Random

from demo.aws_resources import AwsResources
from demo.policy_inputs import one_of_each


def start_policies(aws: AwsResources, random: Random) -> int:
    """Where there are none yet; how many were started."""
    if aws.has_executions("approval"):
        return 0
    machine = aws.machines()["approval"]
    starts = one_of_each(random)
    for start in starts:
        aws.start(machine, start.name, start.data)
    return len(starts)
