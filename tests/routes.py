"""Every route there is, and an address for each that leads to something."""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from approvals.models import ApprovalTask, QuarantinedMessage, Source


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[str]:
    """`tasks/<uuid:task_id>/`, `admin/auth/group/add/`, …, as the resolver holds them."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = prefix + _text(pattern)
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from routes(pattern, route)


def _text(pattern: Any) -> str:
    return re.sub(r"^\^|\$$|\\Z$", "", str(pattern.pattern))


def address(route: str, objects: dict[str, Any]) -> str:
    """The route with its parameters filled in from `objects` by name."""

    def fill(match: re.Match[str]) -> str:
        name = (match["name"] or match["group"]).split(":")[-1]
        return str(objects[name])

    route = re.sub(r"<(?P<name>[^>]+)>|\(\?P<(?P<group>\w+)>[^)]*\)", fill, route)
    return "/" + route.replace("\\", "")


def parameters() -> dict[str, Any]:
    """For every parameter of our routes, the newest object that fits."""
    task = ApprovalTask.objects.order_by("-pk").first()
    held = QuarantinedMessage.objects.order_by("-pk").first()
    callback = getattr(task, "callback", None) if task else None
    called = Source.objects.filter(kind__in=Source.CALLED).order_by("-pk").first()
    nothing = "00000000-0000-0000-0000-000000000000"
    return {
        "task_id": task.pk if task else nothing,
        "message_id": held.pk if held else nothing,
        "callback_id": callback.pk if callback else nothing,
        "mail_id": nothing,
        "question_id": 1,
        "secret": "nothing",
        "fingerprint": "0" * 64,
        "slug": "refunds",
        "address": called.address if called else nothing,
        "object_id": 1,
        "content_type_id": 1,
        "app_label": "approvals",
        "url": "nothing",
        "id": 1,
        "pk": 1,
        "key": "nothing",
        "uidb36": "1",
        "provider_id": "nobody",
    }
