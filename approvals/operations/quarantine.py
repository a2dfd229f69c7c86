"""OPERATIONS, the page of what was not understood: tried again or put aside, one or many. Acts
through `intake.quarantine` alone."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from approvals.errors import SecretUnreadable
from approvals.intake import quarantine
from approvals.models import QuarantinedMessage
from approvals.operations import held
from approvals.operations.forms import HeldForm, ReasonForm, Request, address_of
from approvals.people.roles import OPERATE


@login_required
@permission_required(OPERATE, raise_exception=True)
@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """All that is held, or `?source=…&code=…` of it; `&after=…` is a later page."""
    form = HeldForm(request.GET)
    view = form.view
    found = held.page(view, form.cleaned_data.get("after"))
    tally = held.tally(view)
    return render(
        request,
        "operations/held.html",
        {
            "found": found,
            "tally": tally,
            "view": view,
            "sources": [
                (name, count, address_of(held.View(pk, view.code)), pk == view.source_id)
                for (pk, name), count in tally.sources.items()
            ],
            "codes": [
                (code, count, address_of(held.View(view.source_id, code)), code == view.code)
                for code, count in tally.codes.items()
            ],
            "any_source": address_of(held.View(None, view.code)),
            "any_code": address_of(held.View(view.source_id)),
            "beyond": form.cleaned_data.get("beyond"),
            "batch": held.BATCH,
            "more": address_of(view, after=found.more) if found.more else "",
            "now": now(),
        },
    )


@login_required
@permission_required(OPERATE, raise_exception=True)
@require_POST
def replay_all(request: Request) -> HttpResponse:
    """Try up to a hundred messages of a view again, the oldest first; each by itself."""
    form = HeldForm(request.POST)
    view = form.view
    batch = held.to_replay(view, form.cleaned_data.get("beyond"))
    understood = still_held = unreadable = 0
    for message_id in batch:
        try:
            acceptance = quarantine.replay(message_id, actor=request.user)
        except SecretUnreadable:
            unreadable += 1
            continue
        if acceptance:
            understood += not acceptance.problem
            still_held += bool(acceptance.problem)
    if understood:
        messages.success(request, f"Understood now: {understood} message{pluralize(understood)}.")
    if still_held:
        messages.error(request, f"Still not understood: {still_held}. They stay, with the reason.")
    if unreadable:
        messages.error(request, f"None of the TOKEN_KEYS can open {unreadable}.")
    if not batch:
        messages.info(request, "There was nothing left to replay.")
    is_full = len(batch) == held.BATCH
    return redirect(address_of(view, beyond=batch[-1] if is_full else None))


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
    elif acceptance.task_id is None:
        messages.success(request, "Understood now: it was news of an execution.")
    else:
        messages.success(
            request,
            format_html(
                'Understood now: it is <a class="underline" href="{}">a task</a>.',
                reverse("task", args=[acceptance.task_id]),
            ),
        )
    return redirect(address_of(HeldForm(request.POST).view))


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
    return redirect("quarantine")


def _message_page(
    request: HttpRequest, message_id: UUID, form: ReasonForm, status: int = 200
) -> HttpResponse:
    """One message with its masked body; the body itself is never loaded."""
    one = get_object_or_404(
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
    return render(request, "operations/message.html", {"held": one, "form": form}, status=status)
