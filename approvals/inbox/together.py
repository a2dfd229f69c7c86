"""The door, what colleagues do together: be on it, hand over, take back, ask and answer.

GET gives a form, POST acts; the rules are those of `decisions/`.
"""

from collections.abc import Callable
from typing import cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import retarget, trigger_client_event

from approvals.decisions import ask as asking, claim as claiming, hand_over as handing
from approvals.errors import CannotDecide
from approvals.inbox.address import Address
from approvals.inbox.confirm import DECIDED
from approvals.inbox.detail import Detail, find_task
from approvals.inbox.door import Request, signed_in, wants_part
from approvals.inbox.views import task_page, task_part
from approvals.inbox.whom import Colleague, suggestions
from approvals.models import ApprovalTask, Gate, Question, User

MAX_NOTE = 2_000


class PersonForm(forms.Form):
    person = Colleague(
        queryset=User.objects.none(),
        empty_label="Choose …",
        error_messages={
            "required": "Whom?",
            "invalid_choice": "That is nobody whom this can go to (any more).",
        },
    )

    def __init__(self, data: object, people: "QuerySet[User]") -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.whom.queryset = people

    @property
    def whom(self) -> Colleague:
        return cast(Colleague, self.fields["person"])


class HandOverForm(PersonForm):
    text = forms.CharField(max_length=MAX_NOTE, required=False)


class AskForm(PersonForm):
    text = forms.CharField(
        max_length=asking.LONGEST, error_messages={"required": "What do you want to know?"}
    )


class AnswerForm(forms.Form):
    text = forms.CharField(
        max_length=asking.LONGEST, error_messages={"required": "Please write an answer."}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def hand_over(request: Request, task_id: UUID) -> HttpResponse:
    detail = Detail(find_task(request.person, task_id), request.person)
    if not detail.together.can_hand_over:
        why = "This gate lets nobody hand over." if detail.seat else detail.why_not
        return _refused(request, task_id, why)
    people = handing.recipients(detail.task, request.user)
    if not people.exists():
        return _refused(request, task_id, "Nobody else reviews here, so it can't be handed over.")
    form = HandOverForm(request.POST if request.method == "POST" else None, people)
    if found := suggestions(request, form.whom, "person"):
        return found
    if request.method != "POST" or not form.is_valid():
        return _ask_for(request, detail.task, form, "hand_over")
    to = form.cleaned_data["person"]
    try:
        handing.hand_over(task_id, request.person, to, form.cleaned_data["text"])
    except CannotDecide as reason:
        form.add_error("person", str(reason))
        return _ask_for(request, detail.task, form, "hand_over", status=409)
    return _done(request, task_id, f"Handed to {to}.")


@require_POST
@signed_in
def take_back(request: Request, task_id: UUID) -> HttpResponse:
    find_task(request.person, task_id)
    return _act(
        request, task_id, lambda: handing.take_back(task_id, request.person), "It is yours again."
    )


@require_POST
@signed_in
def claim(request: Request, task_id: UUID) -> HttpResponse:
    """`from`: the id of whoever the page showed as being on it."""
    find_task(request.person, task_id)
    shown = request.POST.get("from", "")
    taken_from = int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 19 else None
    return _act(
        request,
        task_id,
        lambda: claiming.claim(task_id, request.person, taken_from=taken_from),
        "You are on it.",
    )


@require_POST
@signed_in
def release(request: Request, task_id: UUID) -> HttpResponse:
    find_task(request.person, task_id)
    return _act(
        request,
        task_id,
        lambda: claiming.release(task_id, request.person),
        "It is open to all reviewers again.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def ask(request: Request, task_id: UUID) -> HttpResponse:
    detail = Detail(find_task(request.person, task_id), request.person)
    if not detail.together.can_ask:
        settled = "" if detail.task.is_pending else detail.why_not
        why = settled or "You can look at this task, but you do not review it."
        return _refused(request, task_id, why)
    people = asking.colleagues(detail.task, request.user)
    form = AskForm(request.POST if request.method == "POST" else None, people)
    if found := suggestions(request, form.whom, "person"):
        return found
    if request.method != "POST" or not form.is_valid():
        return _ask_for(request, detail.task, form, "ask")
    whom = form.cleaned_data["person"]
    try:
        asking.ask(task_id, request.person, whom, form.cleaned_data["text"])
    except CannotDecide as reason:
        form.add_error("person", str(reason))
        return _ask_for(request, detail.task, form, "ask", status=409)
    return _done(request, task_id, f"{whom} is asked, and you are told of the answer.")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def answer(request: Request, task_id: UUID, question_id: int) -> HttpResponse:
    task = find_task(request.person, task_id)
    mine = task.questions.filter(asked=request.user, pk=question_id)
    question = mine.select_related("asked_by").first()
    if question is None:
        raise Http404("There is no such question to you.")
    if question.answered_at:
        return _refused(request, task_id, "You have answered this already.")
    form = AnswerForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return _ask_for(request, task, form, "answer", question=question)
    try:
        asking.answer(question_id, request.user, form.cleaned_data["text"])
    except CannotDecide as reason:
        return _refused(request, task_id, str(reason))
    return _done(request, task_id, f"{question.asked_by} is told.")


def _ask_for(
    request: Request,
    task: ApprovalTask,
    form: forms.Form,
    noun: str,
    *,
    question: Question | None = None,
    status: int = 0,
) -> HttpResponse:
    context = {
        "task": task,
        "form": form,
        "noun": noun,
        "question": question,
        "stays_inside": task.gate.hand_over == Gate.HandOver.NOBODY,
        "action": reverse(noun, args=[task.pk, *([question.pk] if question else [])]),
        "address": Address.read(request.GET),
    }
    name = "form" if wants_part(request) else "page"
    status = status or (422 if form.errors else 200)
    return render(request, f"inbox/together_{name}.html", context, status=status)


def _act(request: Request, task_id: UUID, change: Callable[[], object], said: str) -> HttpResponse:
    try:
        change()
    except CannotDecide as reason:
        return _refused(request, task_id, str(reason))
    return _done(request, task_id, said)


def _done(request: Request, task_id: UUID, said: str) -> HttpResponse:
    """The task as it stands now."""
    if not wants_part(request):
        messages.success(request, said)
        address = Address.read(request.GET)
        return redirect(f"{reverse('task', args=[task_id])}{address.query}")
    detail = Detail(find_task(request.person, task_id), request.person)
    response = retarget(task_part(request, detail), "#detail")
    return trigger_client_event(response, DECIDED, {"said": said}, after="settle")


def _refused(request: Request, task_id: UUID, why: str) -> HttpResponse:
    """The task as it stands now, and why nothing came of it."""
    detail = Detail(find_task(request.person, task_id), request.person, alert=why)
    if not wants_part(request):
        return task_page(request, detail, status=409)
    response = retarget(task_part(request, detail, status=409), "#detail")
    return trigger_client_event(response, DECIDED, after="settle")
