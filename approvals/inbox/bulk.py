"""The door, several at once: tasks that ask the same, their differences, and one answer for all.

GET shows, POST decides what was shown, each task by itself.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from approvals.asked.decision_form import CommentForm
from approvals.decisions import guard
from approvals.decisions.likeness import differences, digest, groups, why_unlike
from approvals.decisions.rules import check_choice
from approvals.decisions.several import MOST, Result, decide_several
from approvals.errors import CannotDecide
from approvals.inbox.address import Address
from approvals.inbox.confirm import words_of
from approvals.inbox.door import Request, signed_in
from approvals.inbox.held import undo_url
from approvals.inbox.selection import Selection, select, why_by_itself
from approvals.inbox.sheet import Sheet, read_at_least
from approvals.models import ApprovalTask
from approvals.states import Verdict

_SHOWN = re.compile(r"([0-9a-f-]{36})\.([0-9a-f]{32})")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def several(request: Request) -> HttpResponse:
    """GET shows what would be decided; POST decides it and says what became of each."""
    asked = request.POST if request.method == "POST" else request.GET
    verdict = asked.get("verdict", "")
    if verdict not in Verdict.values:
        return HttpResponseBadRequest("The verdict is neither approve nor reject.")
    if request.method == "POST":
        return _decide(request, Verdict(verdict))
    try:
        ids = list(dict.fromkeys(UUID(text) for text in asked.getlist("task")))
    except ValueError:
        return HttpResponseBadRequest("This address names a task that can't be one.")
    if not ids:
        return _nothing(request, "Nothing is selected. Tick the tasks that you mean.")
    if len(ids) > MOST:
        return _nothing(request, f"These are {len(ids)} tasks. At most {MOST} go at once.")
    return _ask(request, Verdict(verdict), select(request.person, ids), CommentForm())


# --- asking ---


def _ask(
    request: Request,
    verdict: Verdict,
    selection: Selection,
    form: CommentForm,
    *,
    batch: UUID | None = None,
    alert: str = "",
    status: int = 200,
) -> HttpResponse:
    address = Address.read(request.GET)
    batch = batch or uuid4()
    # The same table, asked again, is open since it was first asked.
    opened = request.POST.get("opened", "")
    if status != HTTPStatus.UNPROCESSABLE_ENTITY:
        opened = guard.opened_now(batch, request.user)
    context = {
        "selection": selection,
        "verdict": verdict,
        "is_rejecting": verdict == Verdict.REJECT,
        "address": address,
        "form": form,
        "batch": batch,
        "opened": opened,
        "alert": alert,
        "others": [_other(tasks, selection, verdict, address) for tasks in selection.others],
        "sheet": Sheet(selection.like, verdict, request.person) if selection.like else None,
    }
    return render(request, "inbox/bulk.html", context, status=status)


def _nothing(request: Request, said: str) -> HttpResponse:
    context = {"alert": said, "address": Address.read(request.GET), "selection": Selection()}
    return render(request, "inbox/bulk.html", context, status=400)


def _other(
    tasks: list[ApprovalTask], selection: Selection, verdict: Verdict, address: Address
) -> tuple[list[ApprovalTask], str, str]:
    """Another group: its tasks, what sets it apart, and the address that asks about it."""
    pairs = [("verdict", verdict.value), *(("task", str(task.pk)) for task in tasks)]
    url = f"{reverse('several')}?{urlencode(pairs)}{address.more}"
    return tasks, why_unlike(tasks[0], selection.like[0]), url


# --- deciding ---


def _decide(request: Request, verdict: Verdict) -> HttpResponse:
    shown, batch = _read_form(request)
    if not shown or not batch:
        return HttpResponseBadRequest("This form is not complete. Go back and try again.")
    form = CommentForm(request.POST)
    is_valid = form.is_valid()
    selection = select(request.person, list(shown))
    free = [task for tasks in (selection.like, *selection.others) for task in tasks]
    # What has changed since is left to `decide_several`, which says so of each.
    same = [task for task in free if digest(task) == shown[task.pk]]
    apart = [task for task, _ in selection.apart]
    if len(groups(same)) > 1 or any(why_by_itself(task) for task in apart):
        alert = "These don't go together. Please look at them again."
        return _ask(request, verdict, selection, form, batch=batch, alert=alert, status=409)
    comment = form.cleaned_data.get("comment", "")
    if same and is_valid:
        try:
            check_choice(same[0], verdict, "", comment)
        except CannotDecide as reason:
            form.add_error("comment", str(reason))
    if not form.is_valid():
        return _ask(request, verdict, selection, form, batch=batch, status=422)
    read_seconds = guard.seconds_open(request.POST.get("opened", ""), batch, request.user)
    seen = {task.pk: task for task in (*free, *apart)}
    results = decide_several(
        {task_id: digest for task_id, digest in shown.items() if task_id in seen},
        request.person,
        verdict,
        comment=comment,
        batch=batch,
        read_seconds=read_seconds,
        pointed_out=_pointed_out(same, read_seconds),
    )
    return _report(request, verdict, results, seen, selection.unknown, batch=batch)


def _pointed_out(tasks: Sequence[ApprovalTask], read_seconds: float | None) -> dict[str, Any]:
    """About deciding `tasks` together: of those that were shown, the ones that are as they were."""
    if not tasks:
        return {}
    found = differences(tasks)
    differs_in = [column.path for column in found.columns]
    return guard.together(tasks, differs_in, read_at_least(tasks, found), read_seconds)


def _read_form(request: Request) -> tuple[dict[UUID, str], UUID | None]:
    """The digest of what was shown of each task, and what tells this form from another; both
    blank where that makes no sense."""
    found = [_SHOWN.fullmatch(text) for text in request.POST.getlist("shown")]
    try:
        batch = UUID(request.POST.get("batch", ""))
        shown = {UUID(one[1]): one[2] for one in found if one}
    except ValueError:
        return {}, None
    return (shown, batch) if None not in found and len(found) <= MOST else ({}, None)


def _report(
    request: Request,
    verdict: Verdict,
    results: list[Result],
    tasks: dict[UUID, ApprovalTask],
    unknown: int,
    *,
    batch: UUID,
) -> HttpResponse:
    done = [one.outcome for one in results if one.outcome]
    context = {
        "verdict": verdict,
        "address": Address.read(request.GET),
        "done": len(done),
        "is_fast": any(guard.is_fast(one.decision.pointed_out) for one in done),
        "refused": len(results) - len(done) + unknown,
        "unknown": unknown,
        "results": [
            (
                tasks[one.task_id],
                words_of(one.outcome) if one.outcome else one.refused,
                one.outcome,
                undo_url(one.outcome.task) if one.outcome else "",
            )
            for one in results
        ],
        "batch": batch,
        "can_undo_all": len(done) > 1 and all(undo_url(one.task) for one in done),
    }
    return render(request, "inbox/bulk_done.html", context)
