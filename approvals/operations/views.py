"""OPERATIONS, the page: what is stuck, and a button for each. Acts through the outboxes alone."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from approvals.callbacks import outbox
from approvals.notices import outbox as mails
from approvals.operations import queries
from approvals.operations.forms import PlaceForm, ReasonForm, Request
from approvals.people.roles import OPERATE


@login_required
@permission_required(OPERATE, raise_exception=True)
@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """All lists, or with `?list=dead&after=…` a later page of one of them."""
    place = PlaceForm(request.GET)
    if request.GET and place.is_valid():
        name = place.cleaned_data["list"]
        found = {name: queries.PAGED[name](place.cleaned_data["after"])}
    else:
        found = {name: look() for name, look in queries.LISTS.items()}
    return render(
        request,
        "operations/operations.html",
        {
            "found": found,
            "is_later_page": len(found) == 1,
            "all_is_well": not any(one.count for one in found.values()),
            "now": now(),
        },
    )


@login_required
@permission_required(OPERATE, raise_exception=True)
@require_POST
def send_again(request: Request, callback_id: UUID) -> HttpResponse:
    is_due = outbox.replay(callback_id, actor=request.user)
    return _sent_again(request, is_due, "It is being sent again.")


@login_required
@permission_required(OPERATE, raise_exception=True)
@require_POST
def set_aside(request: Request, callback_id: UUID) -> HttpResponse:
    return _set_aside(request, partial(outbox.set_aside, callback_id))


@login_required
@permission_required(OPERATE, raise_exception=True)
@require_POST
def send_mail_again(request: Request, mail_id: UUID) -> HttpResponse:
    is_due = mails.send_again(mail_id, actor=request.user)
    said = "It is being sent again, if it still tells its reader something."
    return _sent_again(request, is_due, said)


@login_required
@permission_required(OPERATE, raise_exception=True)
@require_POST
def set_mail_aside(request: Request, mail_id: UUID) -> HttpResponse:
    return _set_aside(request, partial(mails.set_aside, mail_id))


def _sent_again(request: Request, is_due: bool, said: str) -> HttpResponse:
    if is_due:
        messages.success(request, said)
    else:
        messages.info(request, "There was nothing to send again: it has moved on meanwhile.")
    return redirect("operations")


def _set_aside(request: Request, act: Callable[..., bool]) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say why it is set aside: it goes on the record.")
    elif act(reason=form.cleaned_data["reason"], actor=request.user):
        messages.success(request, "Set aside. It stays on the record.")
    else:
        messages.info(request, "There was nothing to set aside: it has moved on meanwhile.")
    return redirect("operations")
