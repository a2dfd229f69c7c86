"""OPERATIONS, the page: what is stuck, and a button for each. Acts through `callbacks` and
`intake.quarantine` alone."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from approvals.callbacks import outbox
from approvals.errors import SecretUnreadable
from approvals.intake import quarantine
from approvals.models import QuarantinedMessage, User
from approvals.operations import queries
from approvals.people.roles import OPERATE


class Request(HttpRequest):
    """Of somebody who has signed in."""

    user: User


class ReasonForm(forms.Form):
    """Why something is given up: whoever reads the record later wants to know."""

    reason = forms.CharField(
        max_length=300,
        label="Why",
        error_messages={"required": "Say why."},
    )


class PlaceForm(forms.Form):
    """A later page of one of the lists, from the address."""

    list = forms.ChoiceField(choices=[(name, name) for name in queries.PAGED])
    after = forms.UUIDField()


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
    if outbox.replay(callback_id, actor=request.user):
        messages.success(request, "It is being sent again.")
    else:
        messages.info(request, "There was nothing to send again: it has moved on meanwhile.")
    return redirect("operations")


@login_required
@permission_required(OPERATE, raise_exception=True)
@require_POST
def set_aside(request: Request, callback_id: UUID) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say why it is set aside: it goes on the record.")
    elif outbox.set_aside(callback_id, reason=form.cleaned_data["reason"], actor=request.user):
        messages.success(request, "Set aside. It stays on the record.")
    else:
        messages.info(request, "There was nothing to set aside: it has moved on meanwhile.")
    return redirect("operations")


@login_required
@permission_required(OPERATE, raise_exception=True)
@never_cache
@require_safe
def message(request: HttpRequest, message_id: UUID) -> HttpResponse:
    return _message_page(request, message_id, ReasonForm())


@login_required
@permission_required(OPERATE, raise_exception=True)
@require_POST
def replay(request: Request, message_id: UUID) -> HttpResponse:
    """Try to understand a held message once more, after a gate or a source was mended."""
    try:
        acceptance = quarantine.replay(message_id, actor=request.user)
    except SecretUnreadable:
        messages.error(request, "None of the TOKEN_KEYS of this installation can open it.")
        return redirect("quarantined_message", message_id)
    if acceptance is None:
        messages.info(request, "There was nothing to replay: somebody was first.")
    elif acceptance.problem:
        messages.error(request, f"Still not understood: {acceptance.problem}")
        return redirect("quarantined_message", message_id)
    else:
        messages.success(
            request,
            format_html(
                'Understood now: it is <a class="underline" href="{}">a task</a>.',
                reverse("task", args=[acceptance.task_id]),
            ),
        )
    return redirect("operations")


@login_required
@permission_required(OPERATE, raise_exception=True)
@require_POST
def discard(request: Request, message_id: UUID) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _message_page(request, message_id, form, status=400)
    if quarantine.discard(message_id, reason=form.cleaned_data["reason"], actor=request.user):
        messages.success(request, "Discarded. It stays on the record.")
    else:
        messages.info(request, "There was nothing to discard: somebody was first.")
    return redirect("operations")


def _message_page(
    request: HttpRequest, message_id: UUID, form: ReasonForm, status: int = 200
) -> HttpResponse:
    """One message with its masked body; the body itself is never loaded."""
    held = get_object_or_404(
        QuarantinedMessage.objects.select_related("source", "task").only(
            "status",
            "code",
            "reason",
            "shown",
            "received_at",
            "discard_reason",
            "source__name",
            "task__title",
        ),
        pk=message_id,
    )
    return render(request, "operations/message.html", {"held": held, "form": form}, status=status)
