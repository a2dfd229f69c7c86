"""NOTICES, afterwards: what a mail provider reports of a mail that it had taken."""

from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType
from django.db import transaction
from django.db.models.functions import Now

from approvals.models import Mail, User
from approvals.notices import outbox

# Nothing more goes to an address of which one of these is said.
_REFUSALS = (EventType.BOUNCED, EventType.REJECTED, EventType.COMPLAINED)


def hear(event: AnymailTrackingEvent, **kwargs: Any) -> None:
    """anymail's `tracking` signal, from the provider's call, whose secret anymail has checked.

    The call may come twice, or before the sender has written down that the mail is sent: then the
    address alone says whom it concerns.
    """
    if event.event_type not in _REFUSALS:
        return
    with transaction.atomic():
        if mail := _mail(str(event.message_id or "")):
            Mail.objects.filter(pk=mail.pk).update(
                status=Mail.Status.BOUNCED, last_error=_words(event)
            )
            outbox.refuse(mail, outbox.notices_of(mail))
        elif event.recipient:
            refused = User.objects.filter(email__iexact=event.recipient, mail_refused_at=None)
            refused.update(mail_refused_at=Now())


def _mail(provider_id: str) -> Mail | None:
    sent = Mail.objects.select_for_update(of=("self",)).select_related("person")
    return (
        sent.filter(provider_id=provider_id, status=Mail.Status.SENT).first()
        if provider_id
        else None
    )


def _words(event: AnymailTrackingEvent) -> str:
    said = " ".join(filter(None, [event.event_type, event.description, event.mta_response]))
    return f"The mail provider reports: {said}"[:500]
