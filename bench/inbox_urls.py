"""The product's addresses and one more: a view that only loads session and user."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def reference(request: HttpRequest) -> HttpResponse:
    """Behind the same middleware as every page."""
    return HttpResponse(f"{request.user.pk} {request.session.session_key is not None}")


urlpatterns = [path("bench/", reference), path("", include("config.urls"))]
