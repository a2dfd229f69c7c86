"""The API, how it says no: {"error", "message"} for every refusal, with a fitting status.

`error` is a short stable word for programs, `message` a sentence for people. Neither repeats what
was sent.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from approvals.errors import (
    AlreadyReported,
    CannotReport,
    CountersignError,
    JobEnded,
    KeyNotLive,
    ReportTooLarge,
)

log = structlog.get_logger(__name__)

RETRY_SECONDS = 10


class Refused(Exception):
    """A request that can't be served; raised anywhere behind an address of the API."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error = status, error


NO_KEY = Refused(401, "no_key", "Send a key: “Authorization: Bearer …”.")
NO_TASK = Refused(404, "not_found", "There is no such task, or this key is not for it.")
NO_LENGTH = Refused(411, "no_length", "Send the header Content-Length, not chunks.")
TOO_LARGE = Refused(413, "too_large", "The request is larger than 262,144 bytes.")

UNAVAILABLE = Refused(503, "unavailable", "This can't be done at the moment. Try again.")

_SAID_BY_ROOMS: dict[type[CountersignError], tuple[int, str]] = {
    KeyNotLive: (401, "bad_key"),
    AlreadyReported: (409, "already_settled"),
    JobEnded: (410, "gone"),
    ReportTooLarge: (413, "too_large"),
    CannotReport: (422, "not_acceptable"),
}


def install(api: NinjaAPI) -> None:
    """Teach `api` to answer in this shape whatever goes wrong behind it."""

    def answer(request: HttpRequest, refused: Refused) -> HttpResponse:
        said = {"error": refused.error, "message": str(refused)}
        response = api.create_response(request, said, status=refused.status)
        for name, value in _headers(refused).items():
            response.headers[name] = value
        return response

    def refused(request: HttpRequest, error: Refused) -> HttpResponse:
        return answer(request, error)

    def said_by_rooms(request: HttpRequest, error: CountersignError) -> HttpResponse:
        kind = next(kind for kind in _SAID_BY_ROOMS if isinstance(error, kind))
        return answer(request, Refused(*_SAID_BY_ROOMS[kind], str(error)))

    def no_key(request: HttpRequest, error: Exception) -> HttpResponse:
        return answer(request, NO_KEY)

    def not_found(request: HttpRequest, error: Exception) -> HttpResponse:
        return answer(request, NO_TASK)

    def unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
        # ninja wraps whatever the parser of bodies raises.
        cause = error.__cause__
        said = cause if isinstance(cause, Refused) else Refused(400, "bad_request", "Not readable.")
        return answer(request, said)

    def too_large(request: HttpRequest, error: Exception) -> HttpResponse:
        return answer(request, TOO_LARGE)

    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return answer(request, _of_field(error))

    def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
        log.error("request not served", why=type(error).__name__)  # its text quotes values
        return answer(request, UNAVAILABLE)

    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        Refused: refused,
        CannotReport: said_by_rooms,
        AuthenticationError: no_key,
        Http404: not_found,
        HttpError: unreadable,
        RequestDataTooBig: too_large,
        ValidationError: invalid,
        DatabaseError: unavailable,
        InterfaceError: unavailable,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _of_field(error: ValidationError) -> Refused:
    first = error.errors[0]
    place = [str(part) for part in first["loc"]]
    if place[0] == "path":
        return NO_TASK
    where = ".".join(place[2:]) or "The body"
    return Refused(422, "not_valid", f"{where}: {first['msg']}.")


def _headers(refused: Refused) -> Mapping[str, str]:
    match refused.status:
        case 401:
            return {"WWW-Authenticate": "Bearer"}
        case 503:
            return {"Retry-After": str(RETRY_SECONDS)}
    return {}
