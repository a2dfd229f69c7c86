"""NOTICES, what a mail says: every sentence of it, in the language that is active. Pure.

Titles and names that come in here are one line already (`plain.one_line`).
"""

import datetime as dt
from collections.abc import Sequence

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _, ngettext, pgettext

from approvals.models import Gate, Occasion
from approvals.states import TaskStatus, Verdict

Kind = Occasion.Kind


def subject(kind: str, title: str, by: str, outcome: str) -> str:
    match kind:
        case Kind.ARRIVED:
            return _("Approve? %(title)s") % {"title": title}
        case Kind.HANDED_OVER:
            return _("%(name)s handed you: %(title)s") % {"name": by, "title": title}
        case Kind.MOVED:
            return _("%(name)s has it now: %(title)s") % {"name": by, "title": title}
        case Kind.REMINDED:
            return _("Still waits for you: %(title)s") % {"title": title}
        case Kind.RUNNING_OUT:
            return _("Time is running out: %(title)s") % {"title": title}
        case Kind.ESCALATED:
            return _("Escalated to you: %(title)s") % {"title": title}
        case Kind.ASKED:
            return _("%(name)s asks you: %(title)s") % {"name": by, "title": title}
        case Kind.ANSWERED:
            return _("%(name)s answered you: %(title)s") % {"name": by, "title": title}
    return f"{outcome}: {title}"


def badge(kind: str, outcome: str) -> str:
    match kind:
        case Kind.ARRIVED:
            return _("Waits for you")
        case Kind.HANDED_OVER:
            return _("Handed over to you")
        case Kind.MOVED:
            return _("With a colleague now")
        case Kind.REMINDED:
            return _("Still waits for you")
        case Kind.RUNNING_OUT:
            return _("Time is running out")
        case Kind.ESCALATED:
            return _("Escalated to you")
        case Kind.ASKED:
            return _("A question for you")
        case Kind.ANSWERED:
            return _("Your question is answered")
    return outcome


def lead(kind: str, status: str, by: str) -> str:
    """The first sentence below the title; blank where the badge has said it all."""
    match kind:
        case Kind.HANDED_OVER:
            return _("%(name)s has handed this over to you.") % {"name": by}
        case Kind.MOVED:
            return _(
                "%(name)s has this now. If it waits for you all the same, it is in your inbox."
            ) % {"name": by}
        case Kind.ESCALATED:
            return _("Nobody has decided this so far. You may decide it now, too.")
        case Kind.ASKED:
            return _("%(name)s would like to know:") % {"name": by}
        case Kind.ANSWERED:
            return _("%(name)s has answered your question:") % {"name": by}
        case Kind.SETTLED:
            return _ended(status)
    return ""


def you_asked(question: str) -> str:
    return _("You asked: %(question)s") % {"question": question}


def then(gate: Gate, *, by_gate: bool) -> str:
    """What comes when time has run out; `by_gate`: by the gate's will, before the engine's."""
    match gate.at_deadline:
        case Gate.AtDeadline.REJECT:
            return _("If nobody decides in time, it is rejected.")
        case Gate.AtDeadline.FAIL:
            return _("If nobody decides in time, the step fails.")
        case Gate.AtDeadline.APPROVE:
            return _("If nobody decides in time, it is approved although nobody has looked.")
    return "" if by_gate else _("If nobody decides in time, the workflow stops waiting.")


def _ended(status: str) -> str:
    match status:
        case TaskStatus.EXPIRED:
            return _("Time ran out before this was decided.")
        case TaskStatus.CANCELLED:
            return _("The workflow ended before this was decided.")
        case TaskStatus.SUPERSEDED:
            return _("The workflow asks anew: a newer task took the place of this one.")
    return ""


def outcome(status: str, who: str) -> str:
    """What a task was settled as; `who`: those by whose decision."""
    match status:
        case TaskStatus.APPROVED if who:
            return _("Approved by %(name)s") % {"name": who}
        case TaskStatus.APPROVED:
            return _("Approved, since nobody decided in time")
        case TaskStatus.REJECTED if who:
            return _("Rejected by %(name)s") % {"name": who}
        case TaskStatus.REJECTED:
            return _("Rejected, since nobody decided in time")
        case TaskStatus.SUCCEEDED:
            return _("Job succeeded")
        case TaskStatus.FAILED:
            return _("Job failed")
        case TaskStatus.EXPIRED:
            return _("Time ran out")
        case TaskStatus.CANCELLED:
            return _("Workflow ended")
    return _("Asked anew")


def digest_subject(waiting: int, questions: int, settled: int) -> str:
    if waiting:
        return ngettext(
            "%(number)d approval waits for you", "%(number)d approvals wait for you", waiting
        ) % {"number": waiting}
    if questions:
        return ngettext(
            "%(number)d message from colleagues",
            "%(number)d messages from colleagues",
            questions,
        ) % {"number": questions}
    return ngettext("%(number)d task is settled", "%(number)d tasks are settled", settled) % {
        "number": settled
    }


def sections() -> tuple[str, str, str]:
    """Of a digest: what waits, what colleagues say, what is settled."""
    return _("Waits for you"), _("From colleagues"), _("Settled")


def more(number: int) -> str:
    return ngettext("and %(number)d more", "and %(number)d more", number) % {"number": number}


# --- when ---


def when(moment: dt.datetime) -> str:
    """Sunday, 22 Nov 2026, 18:03 CET, in the zone that is active."""
    there = timezone.localtime(moment)
    zone = there.tzname() or ""
    return _("%(weekday)s, %(date)s, %(time)s %(zone)s") % {
        "weekday": date_format(there, "l"),
        "date": date_format(there, "DATE_FORMAT"),
        "time": date_format(there, "H:i"),
        "zone": zone if zone.isalpha() else f"UTC{zone}",
    }


def left(moment: dt.datetime, now: dt.datetime) -> str:
    seconds = (moment - now).total_seconds()
    if seconds < 60:
        return _("under a minute left") if seconds > 0 else _("time is up")
    # The database's clock may be a second ahead: 59 min 59 s are an hour to people.
    span = timeuntil(moment + dt.timedelta(seconds=5), now)
    return _("%(span)s left") % {"span": span.replace("\xa0", " ")}


# --- who ---


def names(people: Sequence[str]) -> str:
    shown = pgettext("between names", ", ").join(people[:3])
    if len(people) <= 3:
        return shown
    number = len(people) - 3
    others = ngettext("%(number)d other", "%(number)d others", number) % {"number": number}
    return _("%(names)s and %(others)s") % {"names": shown, "others": others}


def in_place_of(name: str, other: str) -> str:
    return _("%(name)s, in place of %(other)s") % {"name": name, "other": other}


def colleague() -> str:
    return _("A colleague")


def said(verdict: str, choice: str) -> str:
    if choice:
        return choice
    return _("Approved") if verdict == Verdict.APPROVE else _("Rejected")


# --- what each button does ---


def label(gate: Gate, verdict: str, given: str) -> str:
    """`given` is the gate's own word; its default is ours to translate."""
    is_approving = verdict == Verdict.APPROVE
    if gate.kind == Gate.Kind.JOB:
        return _("Mark as succeeded") if is_approving else _("Mark as failed")
    ours = {"Approve": _("Approve"), "Reject": _("Reject")}
    return ours.get(given, given)


def open_and_decide() -> str:
    return _("Open and decide")


def open_and_answer() -> str:
    return _("Open and answer")


def open_task() -> str:
    return _("Open in Countersign")


def on_approve(missing: int, stage: str, workflow: str) -> str:
    """`missing`: approvals needed after this one; `stage`: who decides then."""
    if missing > 0:
        return ngettext(
            "%(number)d more approval is needed after yours.",
            "%(number)d more approvals are needed after yours.",
            missing,
        ) % {"number": missing}
    if stage:
        return _("Then it goes to the next stage: %(stage)s.") % {"stage": stage}
    return _goes_on(workflow)


def on_reject(gate: Gate, workflow: str, *, veto: bool) -> str:
    if not veto:
        return _("It is rejected once it can't get its approvals any more.")
    if gate.on_reject == Gate.OnReject.SUCCESS and gate.kind != Gate.Kind.JOB:
        return _("%(sentence)s It learns that this was not approved.") % {
            "sentence": _goes_on(workflow)
        }
    return _("The step fails with “%(error)s”.") % {"error": gate.reject_error}


def _goes_on(workflow: str) -> str:
    if workflow:
        return _("Workflow %(name)s goes on.") % {"name": workflow}
    return _("The workflow goes on.")


# --- headings and names of facts ---


def facts() -> dict[str, str]:
    return {
        "deadline": _("Decide by"),
        "requested_by": _("Requested by"),
        "workflow": _("Workflow"),
        "approvals": _("Approvals so far"),
        "input": _("What it is about"),
        "changed_input": _("What it is about, as a reviewer changed it"),
        "links": _("Links"),
        "decisions": _("Decisions"),
    }


def approvals(got: int, required: int) -> str:
    return _("%(got)d of %(required)d") % {"got": got, "required": required}


def more_fields(number: int) -> str:
    return ngettext("… and %(number)d more field", "… and %(number)d more fields", number) % {
        "number": number
    }


def items(number: int) -> str:
    return ngettext("%(number)d item", "%(number)d items", number) % {"number": number}


def fields(number: int) -> str:
    return ngettext("%(number)d field", "%(number)d fields", number) % {"number": number}


def cut_summary() -> str:
    return _("This is cut here; Countersign shows all of it.")


# --- below ---


def about_links(alone_minutes: int | None) -> str:
    said = _("The links are yours alone: please do not forward this mail.")
    if not alone_minutes:
        return f"{said} " + _("They lead to a page that asks you to sign in.")
    then = ngettext(
        "For %(number)d minute they decide without a sign-in; later they ask for it.",
        "For %(number)d minutes they decide without a sign-in; later they ask for it.",
        alone_minutes,
    ) % {"number": alone_minutes}
    return f"{said} {then}"


def because(kind: str, gate: str, by: str, stands_in_for: str, *, requested: bool) -> str:
    if stands_in_for:
        return _("You get this because you stand in for %(name)s at the gate “%(gate)s”.") % {
            "name": stands_in_for,
            "gate": gate,
        }
    match kind:
        case Kind.HANDED_OVER:
            return _("You get this because %(name)s handed it over to you.") % {"name": by}
        case Kind.MOVED:
            return _("You get this because it was with you before.")
        case Kind.ESCALATED:
            return _("You get this because the gate “%(gate)s” escalates to your team.") % {
                "gate": gate
            }
        case Kind.ASKED:
            return _("You get this because %(name)s asked you.") % {"name": by}
        case Kind.ANSWERED:
            return _("You get this because you asked.")
        case Kind.SETTLED if requested:
            return _("You get this because you requested it.")
        case Kind.SETTLED:
            return _("You get this because it waited for you, or you had a part in it.")
    return _("You get this because you review at the gate “%(gate)s”.") % {"gate": gate}


def because_digest() -> str:
    return _("You get this because you review at these gates, or had a part in these tasks.")


def preferences() -> str:
    return _("Choose when mails come")


def inbox() -> str:
    return _("Open the inbox")
