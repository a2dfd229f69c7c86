"""The door, its pages: the list, a task beside it, and a payload as it came. Nothing writes."""

import json
from dataclasses import dataclass, replace
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from approvals.inbox import rows
from approvals.inbox.address import Address, Tab
from approvals.inbox.colleagues import open_questions
from approvals.inbox.detail import Detail, find_task
from approvals.inbox.door import Request, signed_in, wants_part
from approvals.inbox.queries import (
    COUNT_CAP,
    PAGE_SIZE,
    GateName,
    job_lines,
    overview,
    page,
)
from approvals.models import Gate, Question
from approvals.people.eligibility import Tie


@dataclass(frozen=True, slots=True)
class TabLink:
    name: str
    url: str
    count: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """The list as its template shows it."""

    address: Address
    gates: list[GateName]
    choices: list[GateName]  # those that this tab is about, to filter by
    tabs: list[TabLink]
    mine: str  # how many wait for this person: "3", "99+"
    rows: SafeString
    url: str  # of the list without filters and place, on the first tab
    first_url: str
    next_url: str  # blank on the last page
    version: str
    asked: list[Question]  # and not answered


@require_safe
@signed_in
def inbox(request: Request) -> HttpResponse:
    listing = listing_for(request)
    if wants_part(request):
        if request.GET.get("v") == listing.version:
            return HttpResponse(status=204)
        return render(request, "inbox/list.html", {"listing": listing, "is_refresh": True})
    return render(request, "inbox/page.html", {"listing": listing})


@require_safe
@signed_in
def task(request: Request, task_id: UUID) -> HttpResponse:
    detail = Detail(find_task(request.person, task_id), request.person)
    detail.keep_opened(request.GET.get("opened", ""))
    if wants_part(request):
        if request.GET.get("v") == detail.version:
            return HttpResponse(status=204)
        return task_part(request, detail)
    return task_page(request, detail)


@require_safe
@signed_in
def payload_json(request: Request, task_id: UUID) -> HttpResponse:
    """What is decided about, indented: as a reviewer changed it, which a header says, or with
    `?as=sent` as the message carried it. The token is masked in it since it came in."""
    found = find_task(request.person, task_id)
    is_sent = request.GET.get("as") == "sent" or found.edited_payload is None
    value = found.payload if is_sent else found.edited_payload
    text = json.dumps(value, indent=2, ensure_ascii=False)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response.headers["Countersign-Payload"] = "as sent" if is_sent else "as changed by a reviewer"
    return response


def task_page(request: Request, detail: Detail, status: int = 200) -> HttpResponse:
    listing = listing_for(request, detail.task.pk)
    context = {"listing": listing, "detail": detail}
    return render(request, "inbox/page.html", context, status=status)


def task_part(request: Request, detail: Detail, status: int = 200) -> HttpResponse:
    context = {"detail": detail, "address": Address.read(request.GET), "is_part": True}
    return render(request, "inbox/detail.html", context, status=status)


def listing_for(request: Request, current: UUID | None = None) -> Listing:
    person = request.person
    address, now, home = Address.read(request.GET), timezone.now(), reverse("inbox")
    gates, counts = overview(person)
    if address.gate not in [gate.id for gate in gates]:
        address = replace(address, gate=None)
    found = page(person, address) if gates else []
    shown = found[:PAGE_SIZE]
    has_more = len(found) > PAGE_SIZE
    jobs = job_lines(shown) if address.tab == Tab.JOBS and shown else None
    asked = open_questions(person.user) if Tie.ASKED in person.ties else []
    is_mine = address.tab == Tab.MINE
    listed = rows.render(shown, address.query, now, current, jobs, can_pick=is_mine)
    of_people = [gate for gate in gates if gate.kind == Gate.Kind.PEOPLE]
    of_jobs = [gate for gate in gates if gate.kind == Gate.Kind.JOB]
    if not of_jobs:
        del counts[Tab.JOBS]
    choices = {Tab.DONE: gates, Tab.JOBS: of_jobs}.get(address.tab, of_people)
    return Listing(
        address=address,
        gates=gates,
        choices=choices,
        tabs=[
            TabLink(tab.title(), home + address.at(tab).query, _capped(count), tab == address.tab)
            for tab, count in counts.items()
        ],
        mine=_capped(counts[Tab.MINE]),
        rows=listed.html,
        url=home,
        first_url=home + address.behind(None).query,
        next_url=home + address.behind(shown[-1].cursor).query if has_more else "",
        version="-".join(
            map(str, (listed.version, *counts.values(), len(found), *(one.pk for one in asked)))
        ),
        asked=asked,
    )


def _capped(count: int) -> str:
    return str(count) if count < COUNT_CAP else f"{COUNT_CAP - 1}+"
