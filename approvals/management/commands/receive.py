"""MESSAGE IN, the process: `manage.py receive` reads every enabled source until it is stopped."""

import signal
import threading
from typing import Any

import structlog
from django.core.management.base import BaseCommand

from approvals.intake import receiver

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Read the queues of all enabled sources. SIGTERM or Ctrl-C finishes the batch in hand."

    def handle(self, **options: Any) -> None:
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        log.info("receiver started")
        receiver.run(stopping)
        log.info("receiver stopped")
