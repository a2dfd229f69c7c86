"""DEMO, the mailbox: every mail that was sent, to everybody, for whoever can reach the demo.

Its mails hold links that decide: nothing like this is part of the product.
"""

from csp.decorators import csp_replace, csp_update
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from demo.mailbox import StoredMail, find, mails


@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    return render(request, "demo/mails.html", {"mails": mails()})


@require_safe
@csp_update({"frame-src": "'self'"})  # type: ignore[arg-type]  # its stub takes no arguments
def mail(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "demo/mail.html", {"mail": _found(name)})


@require_safe
@xframe_options_sameorigin
@csp_replace(  # type: ignore[arg-type]
    {
        "style-src": ["'unsafe-inline'"],  # mails carry their style with them
        "frame-ancestors": ["'self'"],
        "sandbox": ["allow-top-navigation-by-user-activation"],
    }
)
def mail_html(request: HttpRequest, name: str) -> HttpResponse:
    """The mail alone, in a frame that may do nothing but follow a link that somebody presses."""
    return HttpResponse(_found(name).body("html"))


def _found(name: str) -> StoredMail:
    found = find(name)
    if found is None:
        raise Http404("There is no such mail.")
    return found
