"""DEMO: `manage.py demo_flows`: one execution for each policy of a gate and each other way in.

Some of them call our web process. A process of the demo: it stays until it is stopped, since the
end of one process stops all.
"""

import os
import sys
from random import Random
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from demo import ways
from demo.aws_resources import AwsResources
from demo.engines import NOT_REACHED, other_engines
from demo.policies import colleagues_act, start_policies

# Small, in place of all that was loaded to get here.
STAY = "import signal; signal.pause()"


class Command(BaseCommand):
    help = "Start one execution for each policy and way in, if there is none; --stay: don't return."
    requires_system_checks = ()

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--stay", action="store_true", help="wait for a signal afterwards")

    def handle(self, *, stay: bool, **options: Any) -> None:
        try:
            aws, others = AwsResources(), other_engines()
            if others:
                policies = start_policies(aws, Random())
                self.stdout.write(f"{policies} executions started, for what gates can ask.")
                ways.make_ways(others)
                started = ways.start_first(aws, others, Random())
                self.stdout.write(f"{started} executions started, one for each other way in.")
                if policies and stay:
                    colleagues_act(aws, Random())
        except NOT_REACHED as error:
            raise CommandError(f"An engine of the demo did not do its part: {error}") from None
        if stay:
            connection.close()
            self.stdout.flush()
            os.execv(sys.executable, [sys.executable, "-c", STAY])
