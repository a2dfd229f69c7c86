"""MESSAGE IN, second step: takes the payload out of what carriers wrapped around it. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from approvals.engines.base import Handle
from approvals.errors import MessageNotUnderstood
from approvals.intake import strict_json
from approvals.intake.context import instant
from approvals.intake.names import handles

# The longest sensible way: JSON text in a string, SNS, its text, EventBridge, its detail as text.
MAX_STEPS = 6


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """The payload, and what EventBridge says of it."""

    payload: dict[str, Any]
    resources: tuple[str, ...] = ()  # the ARNs that it is about
    source: str = ""
    detail_type: str = ""
    sent_at: datetime | None = None  # when the innermost carrier, SNS too, was handed it


def unwrap(body: str | bytes, handle: Handle) -> Unwrapped:
    """Opens JSON text, SNS and EventBridge envelopes until the payload is reached.

    An object that names a handle of the kind is the payload, whatever else it looks like.

    Raises `MessageNotUnderstood`: all that `strict_json.parse` does, `not_object`,
    `not_a_notification`, `too_many_envelopes`.
    """
    value = strict_json.parse(body)
    said = Unwrapped({})
    for _ in range(MAX_STEPS):
        if isinstance(value, str):
            value = strict_json.parse(value)
        elif not isinstance(value, dict):
            raise MessageNotUnderstood("not_object", "The message is JSON, but not an object.")
        elif handles(value, handle):
            return replace(said, payload=value)
        elif _is_sns(value):
            said = replace(said, sent_at=instant(value.get("Timestamp")))
            value = value["Message"]
        elif _is_eventbridge(value):
            said = Unwrapped(
                payload={},
                resources=_texts(value.get("resources")),
                source=value["source"],
                detail_type=value["detail-type"],
                sent_at=instant(value.get("time")) or said.sent_at,
            )
            value = value["detail"]
        else:
            return replace(said, payload=value)
    raise MessageNotUnderstood(
        "too_many_envelopes", f"The message is wrapped more than {MAX_STEPS} times."
    )


def _is_sns(value: dict[str, Any]) -> bool:
    if not (isinstance(value.get("TopicArn"), str) and isinstance(value.get("Message"), str)):
        return False
    kind = value.get("Type")
    # A confirmation holds a `Token` of its own, which must never be taken for a task's.
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        raise MessageNotUnderstood(
            "not_a_notification", f"This is a {kind} of SNS, not a notification."
        )
    return kind == "Notification"


def _is_eventbridge(value: dict[str, Any]) -> bool:
    return (
        isinstance(value.get("detail-type"), str)
        and isinstance(value.get("source"), str)
        and isinstance(value.get("detail"), dict | str)
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
