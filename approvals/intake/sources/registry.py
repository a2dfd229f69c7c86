"""Which class reads which kind of source."""

from collections.abc import Callable

from approvals.intake.sources.base import PolledSource
from approvals.intake.sources.sqs import SQSQueue
from approvals.models import Source

POLLED: dict[str, Callable[[Source], PolledSource]] = {
    Source.Kind.SQS: SQSQueue,
}
