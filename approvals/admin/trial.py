"""ADMIN, configuration: what a source, saved or not, would make of a message. Stores nothing.

By the rules of `intake.accept` itself. A message from quarantine is opened here and never sent to
the browser: of what comes out, everything is hidden that could be a token, since with a wrong
mapping nobody knows where the token is.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format

from approvals.engines.base import Handle
from approvals.engines.registry import kind_of
from approvals.errors import MessageNotUnderstood, SecretUnreadable
from approvals.intake.accept import rehearse
from approvals.intake.masking import masked
from approvals.intake.message import ExecutionNews
from approvals.models import ApprovalTask, QuarantinedMessage, Source
from approvals.tokens import decrypt

SHOWN = 10_000  # characters of an input
OFFERED = 20  # messages from quarantine

Hide = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Trial:
    """The fields of the task that would be made, or why there would be none."""

    problem: str = ""
    code: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    input: str = ""


def held_messages(source: Source) -> list[QuarantinedMessage]:
    """The newest that can be tried, without their bodies."""
    return list(
        QuarantinedMessage.objects.filter(source=source, status=QuarantinedMessage.Status.HELD)
        .only("code", "reason", "received_at")
        .order_by("-received_at", "-id")[:OFFERED]
    )


def try_sample(source: Source, body: str) -> Trial:
    """With a message that somebody pasted."""
    return _try(source, body, hide=str)


def try_held(source: Source, message_id: str) -> Trial:
    """With a message of this source from quarantine."""
    held = (
        QuarantinedMessage.objects.select_related("source__connection")
        .defer("source__connection__secret_ciphertext")
        .filter(source=source.pk, status=QuarantinedMessage.Status.HELD, pk=message_id)
        .first()
    )
    if held is None:
        return Trial(problem="It is not in quarantine any more.")
    try:
        body = decrypt(held.body_ciphertext)
    except SecretUnreadable:
        return Trial(problem="None of the TOKEN_KEYS of this installation can open it.")
    # Whatever the form says now, the message may hold what its source was for when it came.
    kinds = {source.connection.kind, held.source.connection.kind}
    is_url = any(kind_of(kind).handle is Handle.URL for kind in kinds)
    hide = partial(masked, handle=Handle.URL if is_url else Handle.TOKEN)
    return _try(source, body, hide)


def _try(source: Source, body: str, hide: Hide) -> Trial:
    try:
        made = rehearse(source, body)
    except MessageNotUnderstood as error:
        return Trial(problem=hide(str(error)), code=error.code)
    if isinstance(made, ExecutionNews):
        news = f"{made.execution_id}: {made.status}"
        return Trial(facts=(("News of an execution, asks nobody", hide(news)),))
    return Trial(facts=tuple(_facts(made, hide)), input=_input(made.payload, hide))


def _facts(task: ApprovalTask, hide: Hide) -> list[tuple[str, str]]:
    """(label, text) pairs as a reviewer would read them; blank ones left out."""
    requester = task.requested_by
    if requester and not task.requester_id:
        requester += " (nobody here goes by that name)"
    deadline = timezone.localtime(task.deadline) if task.deadline else None
    facts = [
        ("Token", f"found, {len(task.token.reveal()):,} characters"),
        ("Title", task.title),
        ("Summary", task.summary),
        ("Gate", task.gate.name),
        ("Requested by", requester),
        ("Deadline", date_format(deadline, "j M Y, H:i:s T") if deadline else "none"),
        ("Heartbeat", f"every {task.heartbeat_seconds} s" if task.heartbeat_seconds else ""),
        ("Asks with a form", ", ".join((task.form or {}).get("properties", ()))),
        ("Choices", ", ".join(one["label"] for one in task.choices)),
        ("Reviewers", "only those whom the message names" if task.is_narrowed else ""),
        ("Links", "\n".join(f"{link['title']}: {link['url']}" for link in task.links)),
        ("Workflow", task.workflow),
        ("Execution", task.execution_id),
        ("Step", task.state),
        ("De-duplication key", task.dedupe_key),
    ]
    return [(label, hide(text)) for label, text in facts if text]


def _input(payload: Any, hide: Hide) -> str:
    if payload is None:
        return ""
    text = hide(json.dumps(payload, indent=2, ensure_ascii=False))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
