"""The door, its two buttons: a page that asks once more, and the form whose POST decides."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import push_url, retarget, trigger_client_event

from approvals.asked.choices import Choice, choice_of
from approvals.asked.decision_form import DecisionForm
from approvals.asked.edits import UNCHANGED
from approvals.decisions import guard
from approvals.decisions.decide import Outcome, decide as take_decision
from approvals.decisions.rules import NOT_OFFERED, check_choice, check_payload
from approvals.errors import CannotDecide
from approvals.inbox.address import Address
from approvals.inbox.detail import Detail, find_task
from approvals.inbox.door import Request, signed_in, wants_part
from approvals.inbox.held import can_be_undone, undo_url
from approvals.inbox.queries import next_task
from approvals.inbox.views import task_page, task_part
from approvals.models import ApprovalTask, Decision, Gate
from approvals.states import TaskStatus, Verdict

# The browser's list and dialog react to it (static/js/inbox.js).
DECIDED = "countersign:decided"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def decide(request: Request, task_id: UUID) -> HttpResponse:
    """GET asks, POST decides, and whoever was second is told kindly who was first."""
    detail = Detail(find_task(request.person, task_id), request.person)
    asked = request.POST if request.method == "POST" else request.GET
    verdict = asked.get("verdict", "")
    if verdict not in Verdict.values:
        return HttpResponseBadRequest("The verdict is neither approve nor reject.")
    if not detail.can_decide:
        return _too_late(request, detail)
    choice = choice_of(detail.task, verdict, asked.get("choice", ""))
    if choice is None:
        detail.alert = NOT_OFFERED
        return _too_late(request, detail)
    form = DecisionForm(detail.task, choice, request.POST if request.method == "POST" else None)
    if request.method != "POST":
        if seen := request.GET.get("seen", ""):  # what the page showed whose button was pressed
            try:
                check_payload(detail.task, choice.verdict, UNCHANGED, seen)
            except CannotDecide as reason:
                detail.alert = str(reason)
                return _too_late(request, detail)
        return _ask(request, detail, choice, form)
    if not form.is_valid():
        return _ask(request, detail, choice, form, status=422)
    try:
        check_choice(detail.task, choice.verdict, choice.key, form.cleaned_data["comment"])
    except CannotDecide as reason:
        form.add_error("comment", str(reason))
        return _ask(request, detail, choice, form, status=422)
    try:
        outcome = take_decision(
            task_id,
            request.person,
            choice.verdict,
            via=Decision.Via.INBOX,
            read_seconds=guard.seconds_open(request.POST.get("opened", ""), task_id, request.user),
            **form.arguments,
        )
    except CannotDecide as reason:
        again = Detail(find_task(request.person, task_id), request.person, alert=str(reason))
        return _too_late(request, again)
    return _next(request, outcome)


def _ask(
    request: Request, detail: Detail, choice: Choice, form: DecisionForm, status: int = 200
) -> HttpResponse:
    context = {
        "detail": detail,
        "form": form,
        "choice": choice,
        "effect": detail.effect_of(choice),
        "address": Address.read(request.GET),
        # Of the page that led here; without one it is not known how long it was read.
        "opened": (request.POST or request.GET).get("opened", ""),
    }
    template = "inbox/decide_form.html" if wants_part(request) else "inbox/decide.html"
    return render(request, template, context, status=status)


def _too_late(request: Request, detail: Detail) -> HttpResponse:
    detail.alert = detail.alert or detail.why_not
    if not wants_part(request):
        return task_page(request, detail, status=409)
    response = retarget(task_part(request, detail, status=409), "#detail")
    return trigger_client_event(response, DECIDED, after="settle")


def _next(request: Request, outcome: Outcome) -> HttpResponse:
    """Say what came of it and go on to the next task of the same view."""
    address = Address.read(request.GET)
    said = words_of(outcome) + _kindly(outcome)
    following = next_task(request.person, address, outcome.task)
    url = reverse("task", args=[following]) if following else reverse("inbox")
    if not wants_part(request):
        messages.success(request, said, extra_tags=undo_url(outcome.task))
        return redirect(f"{url}{address.query if following else address.behind(None).query}")
    if following:
        detail = Detail(find_task(request.person, following), request.person)
        response = task_part(request, detail)
    else:
        response = render(request, "inbox/nothing_open.html", {"is_done": True})
    response = retarget(push_url(response, f"{url}{address.query}"), "#detail")
    told = {"said": said, "undo": undo_url(outcome.task)}
    return trigger_client_event(response, DECIDED, told, after="settle")


def words_of(outcome: Outcome) -> str:
    """What came of a decision, for whoever took it."""
    task = outcome.task
    if held := can_be_undone(task, outcome.decision):
        return held
    if task.gate.kind == Gate.Kind.JOB:
        said = "succeeded" if outcome.decision.verdict == Verdict.APPROVE else "failed"
        then = f"waits for {_more_approvals(task)}" if task.is_pending else "is settled"
        return f"Marked as {said}. “{task.title}” {then}."
    if outcome.decision.verdict == Verdict.REJECT:
        return f"Rejected. “{task.title}” is settled."
    if task.status == TaskStatus.PENDING:
        return f"Approved. “{task.title}” waits for {_more_approvals(task)}."
    return f"Approved. {task.workflow or 'The workflow'} goes on."


def _kindly(outcome: Outcome) -> str:
    """A word to whoever was faster than reading takes."""
    if not guard.is_fast(outcome.decision.pointed_out):
        return ""
    then = " If it was a slip, you can undo it." if outcome.task.settles_at else ""
    return f" That was quicker than it takes to read.{then}"


def _more_approvals(task: ApprovalTask) -> str:
    missing = task.required - task.approvals
    return f"{missing} more {'approval' if missing == 1 else 'approvals'}"
