"""ADMIN, a door to a decision: whoever administers and is a reviewer of a task can decide it from
its record, by the rules of every other door. Everybody else reads there why not."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from approvals.asked.choices import choice_of, choices_of
from approvals.asked.decision_form import DecisionForm
from approvals.decisions.decide import decide
from approvals.decisions.rules import NOT_OFFERED, check_can_decide, check_choice
from approvals.errors import CannotDecide
from approvals.inbox.detail import Detail
from approvals.models import ApprovalTask, Decision
from approvals.people.eligibility import Person

CHANGE = "admin:approvals_approvaltask_change"


def ways(task: ApprovalTask, person: Person) -> dict[str, Any]:
    """What the page of a task's record says of deciding it: the choices, or why there are none."""
    try:
        check_can_decide(task, person)
    except CannotDecide as reason:
        return {"why_not": str(reason)}
    return {"choices": choices_of(task)}


def decide_view(
    request: HttpRequest, task: ApprovalTask, person: Person, each: dict[str, Any]
) -> HttpResponse:
    """GET asks, POST decides. `each`: what every page of the admin shows."""
    asked = request.POST if request.method == "POST" else request.GET
    try:
        check_can_decide(task, person)
        choice = choice_of(task, asked.get("verdict", ""), asked.get("choice", ""))
        if choice is None:
            raise CannotDecide(NOT_OFFERED)
    except CannotDecide as reason:
        return _back(request, task.pk, str(reason))
    form = DecisionForm(task, choice, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            check_choice(task, choice.verdict, choice.key, form.cleaned_data["comment"])
        except CannotDecide as reason:
            form.add_error("comment", str(reason))
    if request.method != "POST" or not form.is_valid():
        context = {
            **each,
            "title": choice.label,
            "task": task,
            "form": form,
            "choice": choice,
            "effect": Detail(task, person).effect_of(choice),
        }
        status = 422 if request.method == "POST" else 200
        return TemplateResponse(request, "admin/approvals/decide.html", context, status=status)
    try:
        outcome = decide(task.pk, person, choice.verdict, via=Decision.Via.ADMIN, **form.arguments)
    except CannotDecide as reason:
        return _back(request, task.pk, str(reason))
    messages.success(request, f"{choice.label}: “{outcome.task}” has your decision.")
    return HttpResponseRedirect(reverse(CHANGE, args=[task.pk]))


def _back(request: HttpRequest, task_id: UUID, reason: str) -> HttpResponse:
    messages.error(request, reason)
    return HttpResponseRedirect(reverse(CHANGE, args=[task_id]))
