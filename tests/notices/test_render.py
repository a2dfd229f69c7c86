"""What a mail says: enough to decide, in the reader's language and time, and nothing that bites."""

import datetime as dt
import re
from typing import Any
from uuid import uuid4

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.decisions.decide import decide
from approvals.intake.masking import storable
from approvals.models import ApprovalTask, Decision, Gate, Mail, Notice, Occasion, Place, User
from approvals.models.user import LANGUAGES
from approvals.notices.render import MAX_SUBJECT, Rendered, render
from approvals.states import Verdict
from tests.conftest import person
from tests.factories import UserFactory, task_for, tasks_for

Kind = Occasion.Kind

DATA: dict[str, dict[str, str]] = {
    Kind.HANDED_OVER: {"by": "Tom Berger", "note": "You know the customer."},
    Kind.MOVED: {"by": "Tom Berger"},
    Kind.ASKED: {"by": "Tom Berger", "question": "Both lamps?"},
    Kind.ANSWERED: {"by": "Tom Berger", "question": "Both lamps?", "answer": "Yes, both."},
}
# What each subject has to tell, beside the title.
SUBJECTS = {
    "en": {
        Kind.ARRIVED: "Approve?",
        Kind.HANDED_OVER: "Tom Berger handed you",
        Kind.MOVED: "Tom Berger has it now",
        Kind.REMINDED: "Still waits",
        Kind.RUNNING_OUT: "Time is running out",
        Kind.ESCALATED: "Escalated",
        Kind.ASKED: "Tom Berger asks you",
        Kind.ANSWERED: "Tom Berger answered you",
        Kind.SETTLED: "Approved by Bob",
    },
    "de": {
        Kind.ARRIVED: "Genehmigen?",
        Kind.HANDED_OVER: "Tom Berger hat Ihnen übergeben",
        Kind.MOVED: "Tom Berger kümmert sich jetzt darum",
        Kind.REMINDED: "Wartet noch",
        Kind.RUNNING_OUT: "Die Zeit läuft ab",
        Kind.ESCALATED: "eskaliert",
        Kind.ASKED: "Tom Berger fragt Sie",
        Kind.ANSWERED: "Tom Berger hat Ihnen geantwortet",
        Kind.SETTLED: "Genehmigt von Bob",
    },
    "fr": {
        Kind.ARRIVED: "À approuver",
        Kind.HANDED_OVER: "Tom Berger vous a confié",
        Kind.MOVED: "Tom Berger s’en charge désormais",
        Kind.REMINDED: "Vous attend toujours",
        Kind.RUNNING_OUT: "Le délai expire bientôt",
        Kind.ESCALATED: "Escaladé",
        Kind.ASKED: "Tom Berger vous demande",
        Kind.ANSWERED: "Tom Berger vous a répondu",
        Kind.SETTLED: "Approuvé par Bob",
    },
    "zh-hans": {
        Kind.ARRIVED: "待审批",
        Kind.HANDED_OVER: "Tom Berger 转交给您",
        Kind.MOVED: "现由 Tom Berger 处理",
        Kind.REMINDED: "仍在等待您处理",
        Kind.RUNNING_OUT: "即将到期",
        Kind.ESCALATED: "已升级给您",
        Kind.ASKED: "Tom Berger 向您提问",
        Kind.ANSWERED: "Tom Berger 已回复您",
        Kind.SETTLED: "已由 Bob 批准",
    },
}
ENGLISH = ("Approve", "Reject:", "Decide by", "Requested by", "You get this", "Open in", "left)")


def notice(task: ApprovalTask, reader: User, kind: str = Kind.ARRIVED, **data: Any) -> Notice:
    return Notice.objects.create(
        occasion_id=uuid4(),
        person=reader,
        task=task,
        kind=kind,
        data=data or DATA.get(kind, {}),
        due_at=timezone.now(),
    )


def mailed(reader: User, *notices: Notice) -> Rendered:
    """As the sender calls it: with what it loads, and not the token."""
    mail = Mail.objects.create(person=reader, address=reader.email)
    found = Notice.objects.filter(pk__in=[one.pk for one in notices])
    return render(
        mail,
        list(
            found.select_related("person", "task__gate")
            .defer("task__token_ciphertext", "task__token_digest", "task__search")
            .order_by("created_at", "id")
        ),
    )


@pytest.fixture
def task(gate: Gate) -> ApprovalTask:
    return task_for(
        gate,
        title="Refund 42.00 EUR to Dora",
        summary="The parcel came back **damaged**.\n\n- see the [report](https://carrier.example/1)",
        input={"order": "A-20931", "amount": 42, "customer": {"name": "Dora"}, "lines": [{}, {}]},
        requestedBy="dora",
        timeoutSeconds=7_200,
    )


@pytest.mark.parametrize("language", [code for code, _ in LANGUAGES])
def test_each_kind_is_told_in_the_readers_language(
    task: ApprovalTask, alice: User, bob: User, language: str
) -> None:
    User.objects.filter(pk=alice.pk).update(language=language)
    for kind in Kind:
        if kind == Kind.SETTLED:
            decide(task.pk, person(bob), Verdict.APPROVE, via=Decision.Via.INBOX)
        said = mailed(alice, notice(task, alice, kind))
        assert SUBJECTS[language][kind] in said.subject
        assert task.title in said.subject
        for body in (said.text, visible(said.html)):
            assert task.title in body
            assert "Tom Berger" in body or kind not in DATA
            assert not re.search(r"\{\{|\{%|%\(|\bNone\b|<object|&lt;", body), kind
            if language != "en":
                assert not [word for word in ENGLISH if word in body], kind


def test_a_mail_shows_enough_to_decide(task: ApprovalTask, alice: User) -> None:
    said = mailed(alice, notice(task, alice))
    for body in (said.text, visible(said.html)):
        for shown in ("Refunds", "dora", "A-20931", "42", "customer.name", "damaged", "2 items"):
            assert shown in body
        assert "1 hour, 59 minutes left" in body or "2 hours left" in body
        assert "The step fails with “Rejected”." in body
    assert "see the report (https://carrier.example/1)" in said.text
    assert "**" not in said.text
    assert all(len(line) <= 72 or "http" in line for line in said.text.splitlines())


def test_both_buttons_lead_to_the_question_and_decide_nothing_by_themselves(
    task: ApprovalTask, alice: User
) -> None:
    said = mailed(alice, notice(task, alice))
    assert [words for words, url in buttons(said) if "/l/" in url] == ["Approve", "Reject"]
    approve, reject = (url for words, url in buttons(said) if "/l/" in url)
    assert approve.endswith("/?verdict=approve")
    assert reject.endswith("/?verdict=reject")
    assert {approve, reject} <= set(said.text.split())
    assert "sign in" in said.text


def test_the_gates_own_words_and_choices_are_on_the_buttons(gate: Gate, alice: User) -> None:
    gate.reject_label = "Send back"
    gate.choices = [
        {"key": "all", "label": "Refund all", "verdict": "approve"},
        {"key": "half", "label": "Refund half", "verdict": "approve"},
    ]
    gate.save()
    said = mailed(alice, notice(task_for(gate), alice))
    asked = [(words, url.partition("?")[2]) for words, url in buttons(said) if "/l/" in url]
    assert asked == [
        ("Refund all", "verdict=approve&choice=all"),
        ("Refund half", "verdict=approve&choice=half"),
        ("Send back", "verdict=reject"),
    ]


def test_where_a_form_is_asked_one_button_opens_it(gate: Gate, alice: User) -> None:
    gate.form = {"type": "object", "properties": {"why": {"type": "string"}}}
    gate.save()
    said = mailed(alice, notice(task_for(gate), alice))
    assert [words for words, url in buttons(said) if "/l/" in url] == ["Open and decide"]
    assert "verdict=" not in said.html


def test_a_link_that_decides_by_itself_says_for_how_long(gate: Gate, alice: User) -> None:
    gate.link_alone_minutes = 30
    gate.save()
    said = mailed(alice, notice(task_for(gate), alice))
    for body in (said.text, visible(said.html)):
        assert "do not forward" in body
        assert "For 30 minutes they decide without a sign-in" in " ".join(body.split())


def test_times_are_the_readers(task: ApprovalTask, alice: User) -> None:
    ApprovalTask.objects.filter(pk=task.pk).update(
        deadline=dt.datetime(2031, 3, 5, 23, 30, tzinfo=dt.UTC)
    )
    told = {
        ("Europe/Vienna", "de"): "Donnerstag, 6. März 2031, 00:30 Uhr CET",
        ("America/New_York", "en"): "Wednesday, 5 Mar 2031, 18:30 EST",
        ("Asia/Singapore", "zh-hans"): "2031年3月6日 星期四 07:30 UTC+08",
        ("", "fr"): "mercredi 5 mars 2031 à 23:30 UTC",
    }
    for (zone, language), moment in told.items():
        User.objects.filter(pk=alice.pk).update(time_zone=zone, language=language)
        said = mailed(alice, notice(task, alice))
        assert moment in visible(said.html)
        assert moment in " ".join(said.text.split())


def test_the_gates_own_time_counts_where_it_is_sooner(task: ApprovalTask, alice: User) -> None:
    ApprovalTask.objects.filter(pk=task.pk).update(
        decide_by=timezone.now() + dt.timedelta(minutes=20, seconds=30)
    )
    assert "20 minutes left" in mailed(alice, notice(task, alice, Kind.RUNNING_OUT)).text


def test_the_requester_reads_the_outcome_and_no_way_into_tasks(gate: Gate) -> None:
    rita = UserFactory(username="rita")
    bob = UserFactory(username="bob", groups=["Payments"])
    task = task_for(gate, title="Refund", requestedBy="rita")
    decide(task.pk, person(bob), Verdict.REJECT, via=Decision.Via.INBOX, comment="Too late.")
    said = mailed(rita, notice(task, rita, Kind.SETTLED))
    assert said.subject == "Rejected by Bob: Refund"
    assert "Too late." in said.text
    assert "because you requested it" in said.text
    for body in (said.text, said.html):
        assert "/tasks/" not in body
        assert "/l/" not in body


def test_whoever_stands_in_reads_for_whom(gate: Gate, alice: User, bob: User) -> None:
    Gate.objects.filter(pk=gate.pk).update(hand_over=Gate.HandOver.ANYBODY)
    gate.refresh_from_db()
    sub = UserFactory(username="sub")
    for away in (alice, bob):
        away.away_from, away.delegate = timezone.now() - dt.timedelta(hours=1), sub
        away.save()
    said = mailed(sub, notice(task_for(gate), sub))
    assert "because you stand in for" in said.text
    assert "verdict=approve" in said.text


def test_whoever_has_nothing_to_decide_any_more_gets_no_buttons(
    gate: Gate, alice: User, bob: User
) -> None:
    handed, task = task_for(gate), task_for(gate)
    Place.objects.create(task=handed, why=Place.Why.HANDED, user=bob, stands_for=alice)
    ApprovalTask.objects.filter(pk=handed.pk).update(has_places=True)
    asked = mailed(alice, notice(task, alice, Kind.ASKED))
    for said in (mailed(alice, notice(handed, alice)), asked):
        assert "/l/" not in said.html
        assert "/tasks/" in said.html
    assert "do not forward" not in asked.text
    assert f"/tasks/{task.pk}/" in dict(buttons(asked))["Open and answer"]


def test_the_token_is_in_no_mail(gate: Gate, alice: User) -> None:
    token = f"token-{uuid4().hex}{uuid4().hex}"
    task = task_for(gate, taskToken=token, summary=f"about {token}", input={"echo": token})
    said = mailed(alice, notice(task, alice))
    assert token not in said.subject + said.text + said.html


NASTY = [
    "Refund\r\nBcc: mallory@example.com\r\n\r\n<p>hello",
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\u202egnp.tnemyap\u202c \u2066over\u2069",
    "a\x00b \ud800 c\u2028d\x85e\x1b[31m",
    "{{ request }} {% now 'Y' %} %(title)s %s",
    "长" * 400,
    "=?utf-8?q?evil?=",
]


@pytest.mark.parametrize("nasty", NASTY)
def test_what_messages_say_stays_text(gate: Gate, alice: User, nasty: str) -> None:
    typed = storable(nasty)  # by people, into forms
    gate.name = typed[:90]
    gate.save()
    task = task_for(
        gate,
        title=nasty,
        summary=f"{nasty} [x](javascript:alert(1)) ![y](https://tracker.example/p.png)",
        input={nasty[:60]: nasty, "deep": {nasty[:60]: [nasty]}},
        requestedBy=nasty[:200],
        links=[{"title": nasty, "url": "https://ok.example/?a=1&b=%22"}],
    )
    said = mailed(alice, notice(task, alice, Kind.ASKED, by=typed, question=typed))
    assert len(said.subject) <= MAX_SUBJECT
    assert said.subject.isprintable()
    headers = EmailMultiAlternatives(said.subject, said.text, to=[alice.email]).message()
    assert headers["Bcc"] is None
    assert headers.get_payload() is not None
    for body in (said.subject, said.text, said.html):
        assert not set(body) & set("\x00\x1b\x85\u2028\u202e\u2066\ud800")
    assert "<script" not in said.html
    assert not re.search(r"<[^>]*\sonerror", said.html)
    assert 'href="javascript' not in said.html
    assert "<img" not in said.html


def test_a_long_story_is_cut(gate: Gate, alice: User) -> None:
    task = task_for(
        gate,
        summary="A line of the story.\n" * 200,
        input={f"field{n}": "x" * 2_000 for n in range(200)},
    )
    said = mailed(alice, notice(task, alice))
    assert "Countersign shows all of it" in said.text
    assert "… and 188 more fields" in said.text
    assert len(said.html.encode()) < 60_000


def test_several_notices_become_one_mail_sorted_by_what_presses(
    gate: Gate, alice: User, bob: User
) -> None:
    later = task_for(gate, title="Later", timeoutSeconds=90_000)
    never = task_for(gate, title="Whenever")
    soon = task_for(gate, title="Soon", timeoutSeconds=1_800)
    done = task_for(gate, title="Done")
    decide(done.pk, person(bob), Verdict.APPROVE, via=Decision.Via.INBOX)
    said = mailed(
        alice,
        *(notice(one, alice) for one in (later, never, soon, done)),
        notice(soon, alice, Kind.RUNNING_OUT),
        notice(later, alice, Kind.ASKED),
    )
    assert said.subject == "3 approvals wait for you"
    order = [said.text.index(title) for title in ("Soon\n", "Later\n", "Whenever\n", "Done\n")]
    assert order == sorted(order)
    assert said.text.count("Soon\n") == 1
    assert "Time is running out" in said.text
    assert "Both lamps?" in said.text
    assert "Approved by Bob" in said.text


def test_a_digest_costs_the_same_number_of_queries_and_stays_readable(
    gate: Gate, alice: User
) -> None:
    few = [notice(one, alice) for one in tasks_for(gate, 3)]
    many = [notice(one, alice) for one in tasks_for(gate, 60)]
    with CaptureQueriesContext(connection) as first:
        mailed(alice, *few)
    with CaptureQueriesContext(connection) as second:
        said = mailed(alice, *many)
    assert len(first) == len(second)
    assert said.subject == "60 approvals wait for you"
    assert len([url for _, url in buttons(said) if "/l/" in url]) == 50
    assert "and 10 more" in said.text
    assert len(said.html.encode()) < 100_000  # where some mail programs cut


def test_html_needs_nothing_from_elsewhere(task: ApprovalTask, alice: User) -> None:
    html = mailed(alice, notice(task, alice)).html
    assert not re.search(r"<(img|link|script|iframe|object|form)\b|url\(|@import", html)
    assert "prefers-color-scheme: dark" in html
    assert 'name="color-scheme"' in html
    assert re.search(r'<td class="card" style="[^"]*padding', html)


def visible(html: str) -> str:
    """What a mail program shows, roughly."""
    body = re.sub(r"<(style|title)\b.*?</\1>", "", html, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", body).replace("&amp;", "&").split())


def buttons(said: Rendered) -> list[tuple[str, str]]:
    found = re.findall(r'<a class="button[^"]*" href="([^"]+)"[^>]*>([^<]+)</a>', said.html)
    return [(words, url.replace("&amp;", "&")) for url, words in found]
