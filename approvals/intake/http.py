"""MESSAGE IN, by address: what holds for every request of a program and for its answer."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from approvals.errors import SecretUnreadable
from approvals.intake.sources.base import CallerRefused

log = structlog.get_logger(__name__)

RETRY_SECONDS = 10


def for_programs(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """POST alone, no session, no form's secret, never cached, and JSON whatever happens.

    What can't be stored now is answered by a 503, since callers try again after that.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            if request.method != "POST":
                raise CallerRefused(405, "not_post", "Send a POST.", {"Allow": "POST"})
            return view(request, *args, **kwargs)
        except CallerRefused as refusal:
            log.warning("caller refused", status=refusal.status, code=refusal.code)
            return problem(refusal.status, refusal.code, str(refusal), refusal.headers)
        except (DatabaseError, InterfaceError, SecretUnreadable) as error:
            # Not its text: PostgreSQL quotes the values that it refuses.
            log.error("message not taken", why=type(error).__name__)
            return problem(
                503,
                "unavailable",
                "This can't be stored at the moment. Try again.",
                {"Retry-After": str(RETRY_SECONDS)},
            )

    return csrf_exempt(never_cache(answer))


def problem(
    status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: Any
) -> JsonResponse:
    return JsonResponse(
        {"error": code, "message": message, **more}, status=status, headers=headers or {}
    )


def read_body(request: HttpRequest, limit: int) -> bytes:
    """The raw body, of at most `limit` bytes; more than that is not read.

    Raises `CallerRefused`: 413; 411 where the server can't tell the end; 400 where it was cut off.
    """
    declared = _declared_length(request)
    if declared > limit:
        raise _too_large(limit)
    stream: Any = request
    if "HTTP_TRANSFER_ENCODING" in request.META:
        # In pieces, without a length: Django would read nothing.
        if not request.META.get("wsgi.input_terminated"):
            raise CallerRefused(411, "no_length", "Send the header Content-Length.")
        stream = request.META["wsgi.input"]
    try:
        body: bytes | None = stream.read(limit + 1)
    except Exception:  # each server has its own for a body that breaks off or is no chunks
        body = None
    if body is None or len(body) < declared:
        raise CallerRefused(400, "cut_off", "The body ends before it is complete.")
    if len(body) > limit:
        raise _too_large(limit)
    return body


def check_content_type(request: HttpRequest, allowed: tuple[str, ...]) -> None:
    """Raises `CallerRefused`, 415; parameters such as a charset are let pass."""
    if request.content_type not in allowed:
        raise CallerRefused(415, "wrong_content_type", f"Send Content-Type: {allowed[0]}.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise CallerRefused(415, "compressed", "Send the body as it is, without Content-Encoding.")


def _declared_length(request: HttpRequest) -> int:
    try:
        return max(0, int(request.META.get("CONTENT_LENGTH") or 0))
    except ValueError:
        return 0  # Django then reads nothing either


def _too_large(limit: int) -> CallerRefused:
    return CallerRefused(413, "too_large", f"The body may have {limit:,} bytes at most.")
