"""MESSAGE IN, the side track: what could not be understood is kept, with its reason."""

from collections.abc import Sequence

from approvals.audit.record import Action, event, record
from approvals.engines.registry import kind_of
from approvals.errors import MessageNotUnderstood
from approvals.intake.masking import masked
from approvals.models import QuarantinedMessage, Source
from approvals.tokens import digest, encrypt


def hold(source: Source, held: Sequence[tuple[str | bytes, MessageNotUnderstood]]) -> None:
    """Put bodies into quarantine, in the caller's transaction; one known before adds nothing."""
    if not held:
        return
    handle = kind_of(source.connection.kind).handle
    rows = []
    for body, problem in held:
        text = body.decode("utf-8", "backslashreplace") if isinstance(body, bytes) else body
        text = text.encode("utf-8", "backslashreplace").decode()  # lone surrogates
        rows.append(
            QuarantinedMessage(
                source=source,
                code=problem.code,
                reason=str(problem)[:500],
                body_ciphertext=encrypt(text),
                body_digest=digest(text),
                shown=masked(text, handle=handle),
            )
        )
    # In one order, as tasks are.
    rows.sort(key=lambda row: bytes(row.body_digest))
    QuarantinedMessage.objects.bulk_create(rows, ignore_conflicts=True)
    new = QuarantinedMessage.objects.filter(pk__in=[row.pk for row in rows])
    record(
        *(
            event(Action.QUARANTINED, source=source.name, code=row.code, message=str(row.pk))
            for row in new
        )
    )
