"""The door itself: who comes in, and what their browser may keep of it."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from approvals.models import User
from approvals.people.eligibility import Person


class Request(HttpRequest):
    """What a view behind `signed_in` gets (PersonMiddleware and HtmxMiddleware put it there)."""

    user: User
    person: Person
    htmx: HtmxDetails


P = ParamSpec("P")
View = Callable[Concatenate[Request, P], HttpResponse]


def signed_in(view: View[P]) -> View[P]:
    """For the signed-in only, and never kept: one address gives a page or a part of it."""

    @wraps(view)
    def inner(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.user.is_authenticated:
            response = view(request, *args, **kwargs)
        elif request.htmx:  # a page left open overnight goes to the sign-in as a whole
            response = HttpResponse(status=401, headers={"HX-Refresh": "true"})
        else:
            response = redirect_to_login(request.get_full_path())
        response.headers["Cache-Control"] = "private, no-store"
        patch_vary_headers(response, ("HX-Request",))
        return response

    return inner


def wants_part(request: Request) -> bool:
    """Whether htmx asks for a part of the page, not for a page it lost from its history."""
    return bool(request.htmx) and not request.htmx.history_restore_request
