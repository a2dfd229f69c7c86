"""NOTICES, third step and the queue: due notices become mails, and mails are taken for sending.

Rows of PostgreSQL, taken by lease and fencing number, as callbacks are (`callbacks.outbox`).
"""

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, F, FilteredRelation, Max, Q
from django.db.models.functions import Now

from approvals import wake
from approvals.audit.record import Action, event, record
from approvals.models import Mail, Notice, Occasion, Question, User
from approvals.notices.audience import deciders
from approvals.notices.expand import URGENT, mails_are_sent, reachable
from approvals.notices.occasions import TELL

Kind = Occasion.Kind
Status = Mail.Status

# Of one transaction; nor are there more notices in a mail, so that writing it takes seconds.
PEOPLE, NOTICES = 50, 2_000

# Somebody who got so many mails within this time is left alone until it has passed since the last
# one; where something can't wait, for less. Meanwhile notices gather, and come in one mail if many.
FLOOD, CALM, CALM_URGENT = 5, dt.timedelta(minutes=10), dt.timedelta(minutes=1)

# Longer than a try can take: the server has ten seconds for each of its few answers.
LEASE = dt.timedelta(minutes=3)
# Failed tries before a mail is given up, by the pauses of `callbacks.backoff` after about a day.
MOST_FAILURES = 400
# A try whose sender died weighs as much as so many: the mail may have gone out each time.
WEIGHT_OF_A_LOST_TRY = 100
DIED = "The processes that sent it died before they could tell how it ended."


def compose_due(*, seconds: float = 10.0) -> int:
    """Put what is due into mails, for some `seconds`; how many notices that were."""
    until, done = time.monotonic() + seconds, 0
    while mails_are_sent() and (count := _compose()):
        done += count
        if time.monotonic() > until:
            break
    return done


# A task that is decided and can still be undone waits: it is settled soon, or asks again.
_WHOSE = """
    SELECT n.person_id, count(*) FROM approvals_notice n
      JOIN approvals_approvaltask t ON t.id = n.task_id AND t.settles_at IS NULL
     WHERE n.mail_id IS NULL AND n.due_at <= statement_timestamp()
     GROUP BY n.person_id ORDER BY min(n.due_at), n.person_id LIMIT %(people)s"""


@transaction.atomic
def _compose() -> int:
    """The mails of some people; a constant number of queries."""
    people = _whose_turn()
    if not people:
        return 0
    notices = list(
        Notice.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(person__in=people, mail=None, due_at__lte=Now(), task__settles_at=None)
        .only("kind", "task", "person", "data")
        .order_by("due_at", "created_at", "id")[:NOTICES]
    )
    wanted = still_wanted(notices)
    unwanted = {one.pk for one in notices} - {one.pk for one in wanted}
    Notice.objects.filter(pk__in=unwanted).delete()
    by_person: dict[int, list[Notice]] = defaultdict(list)
    for notice in wanted:
        by_person[notice.person_id].append(notice)
    mails = _mails(by_person)
    Mail.objects.bulk_create(mails)
    Notice.objects.bulk_update(wanted, ["mail", "due_at"], batch_size=500)
    return len(notices)


def _whose_turn() -> list[int]:
    """Whose notices have been due for longest; so many people that one transaction holds them."""
    with connection.cursor() as cursor:
        cursor.execute(_WHOSE, {"people": PEOPLE})
        found = cursor.fetchall()
    people: list[int] = []
    total = 0
    for person, count in found:
        total += count
        if people and total > NOTICES:
            break
        people.append(person)
    return people


def _mails(by_person: dict[int, list[Notice]]) -> list[Mail]:
    """New mails for the notices, which are told of theirs; or the notices are put off."""
    mails = []
    users = _with_recent_mails(by_person)
    for person, notices in by_person.items():
        user = users[person]
        room = FLOOD - user.recent
        if room <= 0 and (later := _calm(user, notices)):
            for notice in notices:
                notice.due_at = later
            continue
        alone = user.mails == User.Mails.AT_ONCE and len(notices) <= room
        for together in [[one] for one in notices] if alone else [notices]:
            mail = Mail(person=user, address=user.email)
            mails.append(mail)
            for notice in together:
                notice.mail = mail
    return mails


def _with_recent_mails(people: Iterable[int]) -> dict[int, Any]:
    lately = Q(mails_sent__created_at__gt=Now() - CALM)
    return (
        # In the join: as a filter of each count it would read all the mails they ever got.
        User.objects.annotate(
            lately=FilteredRelation("mails_sent", condition=lately),
            recent=Count("lately"),
            latest=Max("lately__created_at"),
            now=Now(),
        )
        .only("email", "mails")
        .in_bulk(list(people))
    )


def _calm(user: Any, notices: Sequence[Notice]) -> dt.datetime | None:
    """Until when somebody who had many mails is left alone; None: no longer."""
    urgent = any(notice.kind in URGENT for notice in notices)
    later: dt.datetime = user.latest + (CALM_URGENT if urgent else CALM)
    return later if later > user.now else None


def still_wanted(notices: Sequence[Notice]) -> list[Notice]:
    """Those that still tell their reader something; three queries."""
    able = deciders(one.task_id for one in notices if one.kind in (*_TO_DECIDE, Kind.MOVED))
    asked = set(
        Question.objects.filter(
            task__in={one.task_id for one in notices if one.kind == Kind.ASKED}, answered_at=None
        ).values_list("task_id", "asked_id")
    )
    readers = set(reachable(one.person_id for one in notices).values_list("pk", flat=True))
    return [
        one
        for one in notices
        if one.person_id in readers
        and (one.kind not in _TO_DECIDE or one.person_id in able.get(one.task_id, ()))
        and (one.kind != Kind.MOVED or one.data["has"] in able.get(one.task_id, ()))
        and (one.kind != Kind.ASKED or (one.task_id, one.person_id) in asked)
    ]


_TO_DECIDE = (Kind.ARRIVED, Kind.REMINDED, Kind.RUNNING_OUT, Kind.ESCALATED, Kind.HANDED_OVER)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to try once: the mail as taken, with its person, and the fencing number."""

    mail: Mail
    fence: int


# One statement, committed by itself. The address is what the person has now.
_TAKE = """
    UPDATE approvals_mail m
       SET status = 'sending', fence = fence + 1, address = u.email,
           failures = failures + CASE status WHEN 'sending' THEN %(lost)s ELSE 0 END,
           due_at = statement_timestamp() + make_interval(secs => %(lease)s)
      FROM approvals_user u
     WHERE u.id = m.person_id
       AND m.id = (SELECT id FROM approvals_mail
                    WHERE status IN ('due', 'sending') AND due_at <= statement_timestamp()
                    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING m.id, m.fence"""


def take() -> Lease | None:
    """Take the mail that has been due for longest, committed before anything is sent.

    One whose sender died is among them. Nobody can know if it had gone out, so it is sent again,
    with the Message-ID that it had.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"lease": LEASE.total_seconds(), "lost": WEIGHT_OF_A_LOST_TRY})
        taken = cursor.fetchone()
    if taken is None:
        return None
    mail_id, fence = taken
    return Lease(Mail.objects.select_related("person").get(pk=mail_id), fence)


def finish(
    lease: Lease,
    status: Status,
    notices: Sequence[Notice] = (),
    *,
    error: str = "",
    retry_in: float = 0.0,
    **changes: Any,
) -> bool:
    """Write how a try ended, for all of `notices` on the record. False, and nothing changed, if
    the lease was lost."""
    changes |= {"status": status, "last_error": error[:500], "subject": lease.mail.subject}
    changes["due_at"] = Now() + dt.timedelta(seconds=retry_in)
    if status == Status.SENT:
        changes["sent_at"] = Now()
    elif status != Status.DROPPED:
        changes["failures"] = F("failures") + 1
    with transaction.atomic():
        held = Mail.objects.filter(
            pk=lease.mail.pk, status=Status.SENDING, fence=lease.fence
        ).update(**changes)
        if held and status == Status.SENT:
            _tell(Action.MAILED, lease.mail, notices)
        if held and status == Status.BOUNCED:
            refuse(lease.mail, notices)
    return bool(held)


def refuse(mail: Mail, notices: Sequence[Notice]) -> None:
    """The address is refused: no more mails go there. In the caller's transaction."""
    User.objects.filter(pk=mail.person_id, email=mail.address).update(mail_refused_at=Now())
    _tell(Action.MAIL_REFUSED, mail, notices)


@transaction.atomic
def send_again(mail_id: UUID, *, actor: User) -> bool:
    """An operator has one sent that was refused or given up, since its cause is mended; False if
    it is neither any more. What refused mails counts no longer."""
    mail = _stuck(mail_id)
    if mail is None:
        return False
    User.objects.filter(pk=mail.person_id).update(mail_refused_at=None)
    Mail.objects.filter(pk=mail_id).update(status=Status.DUE, failures=0, due_at=Now())
    _tell(Action.REPLAYED, mail, notices_of(mail), actor=actor, was=mail.status)
    wake.after_commit(TELL)
    return True


@transaction.atomic
def set_aside(mail_id: UUID, *, reason: str, actor: User) -> bool:
    """An operator has looked and nothing is left to do; False if it is not stuck any more."""
    mail = _stuck(mail_id)
    if mail is None:
        return False
    Mail.objects.filter(pk=mail_id).update(status=Status.DROPPED)
    _tell(Action.SET_ASIDE, mail, notices_of(mail), actor=actor, reason=reason)
    return True


def _stuck(mail_id: UUID) -> Mail | None:
    return (
        Mail.objects.select_for_update(of=("self",))
        .select_related("person")
        .filter(pk=mail_id, status__in=[Status.BOUNCED, Status.DEAD])
        .first()
    )


def notices_of(mail: Mail) -> list[Notice]:
    """Without what they tell of."""
    return list(mail.notices.only("kind", "task", "mail"))


def _tell(
    action: Action, mail: Mail, notices: Sequence[Notice], actor: User | None = None, **data: Any
) -> None:
    """One event a task: that somebody was told, or could not be; no address, no link."""
    told = str(mail.person)
    tasks = {one.task_id: one for one in notices}
    events = [event(action, actor=actor, told=told, **data) for _ in tasks]
    for one, (task_id, notice) in zip(events, tasks.items(), strict=True):
        one.task_id = task_id
        one.data["notice"] = notice.kind
    record(*events)
