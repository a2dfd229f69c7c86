"""Which class is behind which kind of source, each loaded when it is first wanted."""

from django.utils.module_loading import import_string

from approvals.intake.sources.base import CalledSource, PolledSource
from approvals.models import Source

# kind -> class; by name, so that a vendor's SDK loads only where it is used
POLLED: dict[str, str] = {
    Source.Kind.SQS: "approvals.intake.sources.sqs.SQSQueue",
    Source.Kind.MNS: "approvals.intake.sources.mns.MNSQueue",
}
CALLED: dict[str, str] = {
    Source.Kind.WEBHOOK: "approvals.intake.sources.webhook.Webhook",
    Source.Kind.SNS: "approvals.intake.sources.sns.SNSTopic",
}


def polled(source: Source) -> PolledSource:
    """A reader of the source's queue; raises `SourceUnavailable`."""
    queue: PolledSource = import_string(POLLED[source.kind])(source)
    return queue


def called(source: Source) -> CalledSource:
    """The one that verifies the callers of the source's address."""
    address: CalledSource = import_string(CALLED[source.kind])(source)
    return address
