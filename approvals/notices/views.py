"""The door of mails: a link shows a page, however often it is loaded; a pressed button decides.

Two addresses, so that it is plain what each is protected by. `link` holds the secret of the mail:
it decides only where the gate lets a link decide alone, and never asks who is signed in.
`signed_in_link` names the same link by its fingerprint: there the session says who it is, and a
form needs its CSRF token, as everywhere. docs/links.md says what each protects against.
"""

import zoneinfo
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial, wraps
from typing import Any
from urllib.parse import urlencode

from django.core.signing import Signer
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from approvals.asked.choices import Choice, choice_of, choices_of
from approvals.asked.decision_form import DecisionForm
from approvals.decisions.decide import decide
from approvals.decisions.rules import check_choice
from approvals.errors import CannotDecide
from approvals.inbox.detail import Detail, find_task
from approvals.inbox.door import Request, signed_in
from approvals.models import ApprovalTask, Decision, Link, User
from approvals.notices import links
from approvals.notices.opened import UNKNOWN, Closed, look
from approvals.people.eligibility import Person

Page = Callable[..., HttpResponse]

# A page shows it, so that a POST made from the address alone decides nothing.
_shown = Signer(salt="approvals.notices.views")


def unseen(view: Page) -> Page:
    """Kept by no cache and no search engine, and told to nobody as a referrer."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.headers["Cache-Control"] = "private, no-store"
        response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return inner


# No CSRF token: it would prove what the secret in the address proves already, and mail programs
# that block cookies could not send it.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@unseen
def link(request: HttpRequest, secret: str) -> HttpResponse:
    """What the mail leads to."""
    with _one_at_a_time(request):
        found = _read(request, links.by_secret(secret))
        if found is None:
            return _closed(request, UNKNOWN)
        if found.is_alone:  # type: ignore[attr-defined]
            return _without_sign_in(request, found)
        if request.user.is_authenticated and request.method != "POST":
            return redirect(_signed_in_url(found, request.GET))
        return _sign_in_first(request, found)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def signed_in_link(request: Request, fingerprint: str) -> HttpResponse:
    """The same link, behind the sign-in."""
    with _one_at_a_time(request):
        found = _read(request, links.by_fingerprint(fingerprint))
        if found is None:
            return _closed(request, UNKNOWN)
        if found.person_id != request.user.pk:
            return _of_somebody_else(request, found)
        detail = look(found)
        if isinstance(detail, Closed):
            return _closed(request, detail)
        return _ask_or_decide(request, found, detail)


def _without_sign_in(request: HttpRequest, found: Link) -> HttpResponse:
    with _in_zone_of(found.person):
        detail = look(found)
        if isinstance(detail, Closed):
            return _closed(request, detail)
        return _ask_or_decide(request, found, detail, is_alone=True)


def _sign_in_first(request: HttpRequest, found: Link) -> HttpResponse:
    """What is asked, by name alone, and the way to the sign-in; that stores where it leads to, so
    it gets the fingerprint and never the secret."""
    with _in_zone_of(found.person):
        detail = look(found)
        if isinstance(detail, Closed):
            return _closed(request, detail)
        then = urlencode({"next": _signed_in_url(found, request.GET)})
        context = {"detail": detail, "sign_in": f"{reverse('account_login')}?{then}"}
        status = 403 if request.method == "POST" else 200
        return render(request, "link/sign_in.html", context, status=status)


def _one_at_a_time(request: HttpRequest) -> AbstractContextManager[None]:
    return transaction.atomic() if request.method == "POST" else nullcontext()  # type: ignore[return-value]


def _read(request: HttpRequest, wanted: "QuerySet[Link]") -> Link | None:
    """The link; for a POST locked until it is marked as used, so that of two one decides."""
    if request.method == "POST":
        wanted = wanted.select_for_update(of=("self",))
    return wanted.first()


def _ask_or_decide(
    request: HttpRequest, found: Link, detail: Detail, *, is_alone: bool = False
) -> HttpResponse:
    """GET asks; POST decides, marks the link as used, and leads to what came of it."""
    asked = request.POST if request.method == "POST" else request.GET
    choice = choice_of(detail.task, asked.get("verdict", ""), asked.get("choice", ""))
    ask = partial(_ask, request, found, detail, choice, is_alone=is_alone)
    if request.method != "POST":
        return ask()
    if choice is None or (is_alone and not _was_shown(request, found, choice)):
        detail.alert = "Nothing was decided. Press a button here, on the page."
        return ask(status=422)
    form = DecisionForm(detail.task, choice, request.POST)
    if not form.is_valid():
        return ask(form=form, status=422)
    try:
        check_choice(detail.task, choice.verdict, choice.key, form.cleaned_data["comment"])
    except CannotDecide as reason:
        form.add_error("comment", str(reason))
        return ask(form=form, status=422)
    try:
        # How long they have read is not known: most do in the mail.
        decide(
            detail.task.pk,
            Person(found.person),
            choice.verdict,
            via=Decision.Via.LINK,
            **form.arguments,
        )
    except CannotDecide as reason:
        return _too_late(request, found, str(reason), is_alone=is_alone)
    Link.objects.filter(pk=found.pk).update(used_at=Now())
    return redirect(request.path)


def _ask(
    request: HttpRequest,
    found: Link,
    detail: Detail,
    choice: Choice | None,
    *,
    is_alone: bool,
    form: DecisionForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """What is asked, and the form for `choice` or, without one, all ways to decide."""
    if form is None and choice:
        form = DecisionForm(detail.task, choice)
        for field in form.fields.values():  # the page is read from its top
            field.widget.attrs.pop("autofocus", None)
    context = {
        "detail": detail,
        "link": found,
        "is_alone": is_alone,
        "action": request.path,
        "choices": choices_of(detail.task),
        "choice": choice,
        "effect": detail.effect_of(choice) if choice else "",
        "form": form,
        "shown": _shown_of(found, choice) if choice and is_alone else "",
    }
    return render(request, "link/ask.html", context, status=status)


def _too_late(request: HttpRequest, found: Link, reason: str, *, is_alone: bool) -> HttpResponse:
    """Somebody was first, or has changed what is asked: it is shown as it is now."""
    detail = look(found)
    if isinstance(detail, Closed):
        return _closed(request, detail)
    detail.alert = reason
    return _ask(request, found, detail, None, is_alone=is_alone, status=409)


def _was_shown(request: HttpRequest, found: Link, choice: Choice) -> bool:
    return constant_time_compare(request.POST.get("shown", ""), _shown_of(found, choice))


def _shown_of(found: Link, choice: Choice) -> str:
    return _shown.signature(f"{links.fingerprint_of(found)}/{choice.verdict}/{choice.key}")


def _closed(request: HttpRequest, closed: Closed) -> HttpResponse:
    return render(request, "link/closed.html", {"closed": closed}, status=closed.status)


def _of_somebody_else(request: Request, found: Link) -> HttpResponse:
    try:
        task: ApprovalTask | None = find_task(request.person, found.task_id)
    except Http404:
        task = None
    context = {"link": found, "back": _signed_in_url(found, request.GET), "task": task}
    return render(request, "link/somebody_else.html", context, status=403)


def _signed_in_url(found: Link, given: QueryDict) -> str:
    """With what was pressed in the mail, and nothing else of the address."""
    kept = {name: given[name] for name in ("verdict", "choice") if given.get(name)}
    url = reverse("signed_in_link", args=[links.fingerprint_of(found)])
    return f"{url}?{urlencode(kept)}" if kept else url


def _in_zone_of(user: User) -> AbstractContextManager[Any]:
    """Times as this person reads them; the session, which would say, is not asked."""
    if not user.time_zone:
        return nullcontext()
    return timezone.override(zoneinfo.ZoneInfo(user.time_zone))
