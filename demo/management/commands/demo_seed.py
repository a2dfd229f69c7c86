"""DEMO: `manage.py demo_seed`: people, gates, ways in, executions. Any number of times."""

from argparse import ArgumentParser
from random import Random
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo import env_file, seed
from demo.aws_resources import ANY_ROLE, AwsResources
from demo.engines import NOT_REACHED, OtherEngines, other_engines
from demo.seed_ways import runner_key, seed_ways

NOTHING_MADE = """\
AWS_ENDPOINT_URL is not set, so this is AWS itself, and nothing was made there. Either
- run `manage.py demo_seed --create-in-aws --role-arn ARN`: it makes the queue, six state machines
  and their executions in this account; the role has to let Step Functions send to the queue; or
- sign in as admin and name your own queue and region under Connections and Sources.\
"""


class Command(BaseCommand):
    help = "Make the demo's people, gates and source, and start executions where there are none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--create-in-aws",
            action="store_true",
            help="make the queue, the state machines and executions in AWS itself",
        )
        parser.add_argument("--role-arn", help="the role of the state machines in AWS itself")

    def handle(self, *, create_in_aws: bool, role_arn: str | None, **options: Any) -> None:
        try:
            seed.seed_people()
            seed.seed_gates()
            aws = AwsResources()
            if aws.is_emulator or create_in_aws:
                if not (aws.is_emulator or role_arn):
                    raise CommandError("--create-in-aws needs --role-arn.")
                self._seed_aws(aws, role_arn or ANY_ROLE, other_engines())
            else:
                self.stdout.write(NOTHING_MADE)
        except seed.NotOurs as error:
            raise CommandError(f"{error} Give the demo another DATABASE_URL.") from None
        except NOT_REACHED as error:
            raise CommandError(f"AWS could not be reached, or refused: {error}") from None

    def _seed_aws(self, aws: AwsResources, role_arn: str, others: OtherEngines | None) -> None:
        queue_url = aws.make_queue()
        machines = aws.make_machines(queue_url, role_arn)
        connection = seed.seed_source(aws, queue_url)
        retired = seed.retire_what_ended(aws, connection)
        if others:
            retired += seed_ways(others)
            env_file.keep("DEMO_RUNNER_KEY", runner_key(env_file.kept("DEMO_RUNNER_KEY")))
        started = seed.start_executions(aws, machines, Random())
        self.stdout.write(
            f"{len(machines)} state machines, {started} executions started, "
            f"{retired} tasks of ended executions retired."
        )
