"""The door, a job that a person starts: the button that gives a key for it, shown once."""

from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from approvals.errors import CannotDecide
from approvals.inbox import times
from approvals.inbox.detail import Detail, find_task
from approvals.inbox.door import Request, signed_in
from approvals.inbox.views import task_page
from approvals.outside_jobs.claim import start_by_hand


@require_POST
@signed_in
def issue(request: Request, task_id: UUID) -> HttpResponse:
    """A page of its own, which no refresh takes away while the key is being copied."""
    task = find_task(request.person, task_id)
    try:
        issued = start_by_hand(task_id, request.person)
    except CannotDecide as reason:
        return task_page(request, Detail(task, request.person, alert=str(reason)), status=409)
    assert issued.key.expires_at, "a job's key expires"
    context = {
        "task": task,
        "secret": issued.secret,
        "expires": times.absolute(timezone.localtime(issued.key.expires_at)),
        "address": f"{settings.SITE_URL}/api/v1/tasks/{task_id}",
    }
    return render(request, "inbox/job_key.html", context)
