"""The door, an Undo: the button whose POST takes one's own decision back."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from approvals.decisions.undo import undo as take_back
from approvals.errors import CannotDecide
from approvals.inbox.address import Address
from approvals.inbox.detail import Detail, find_task
from approvals.inbox.door import Request, signed_in
from approvals.inbox.views import task_page


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
