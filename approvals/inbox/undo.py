"""The door, an Undo: the buttons whose POST takes one's own decisions back."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from approvals.decisions.several import MOST
from approvals.decisions.undo import undo as take_back
from approvals.errors import CannotDecide
from approvals.inbox.address import Address
from approvals.inbox.detail import Detail, find_task
from approvals.inbox.door import Request, signed_in
from approvals.inbox.views import task_page
from approvals.models import ApprovalTask, Decision, User


@require_POST
@signed_in
def undo(request: Request, task_id: UUID) -> HttpResponse:
    """Too late is no error of theirs: the page says what holds now."""
    find_task(request.person, task_id)
    try:
        task = take_back(task_id, request.person.user)
    except CannotDecide as reason:
        found = find_task(request.person, task_id)
        return task_page(request, Detail(found, request.person, alert=str(reason)), status=409)
    messages.success(request, f"Taken back. “{task.title}” waits again.")
    return redirect(f"{reverse('task', args=[task_id])}{Address.read(request.GET).query}")


@require_POST
@signed_in
def undo_several(request: Request) -> HttpResponse:
    """What was decided together, each by itself; `batch` tells which form that was."""
    try:
        batch = UUID(request.POST.get("batch", ""))
    except ValueError:
        return HttpResponseBadRequest("This form is not complete. Go back and try again.")
    mine = Decision.objects.standing().filter(reviewer=request.user, batch=batch)
    tasks = (
        ApprovalTask.objects.without_secrets().filter(decisions__in=mine).order_by("title", "id")
    )
    seen = [task for task in tasks[:MOST] if request.person.can_see(task)]
    results = [(task, _take_back(task, request.user)) for task in seen]
    address = Address.read(request.GET)
    if not results:
        messages.info(request, "Nothing of it is left to be taken back.")
        return redirect(f"{reverse('inbox')}{address.query}")
    refused = sum(bool(why_not) for _, why_not in results)
    context = {
        "results": results,
        "undone": len(results) - refused,
        "refused": refused,
        "address": address,
    }
    return render(request, "inbox/bulk_undone.html", context)


def _take_back(task: ApprovalTask, user: User) -> str:
    """Blank, or in words why it can't be."""
    try:
        take_back(task.pk, user)
    except CannotDecide as reason:
        return str(reason)
    return ""
