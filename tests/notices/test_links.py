"""Links in mails: what each shows, who may decide by it, and what it dies of."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from approvals.models import ApprovalTask, AuditEvent, Decision, Gate, Link, Mail, User
from approvals.notices.links import address, addresses
from approvals.states import TaskStatus
from tests.concurrency import at_once
from tests.conftest import TEAM
from tests.factories import GateFactory, task_for, tasks_for
from tests.notices.opened_links import DEATHS, World, alone_gate, open_link

SignIn = Callable[..., Client]


def press(client: Client, path: str, verdict: str = "approve", **fields: str) -> Any:
    """Load the form and send it as a browser does, with all that it holds."""
    page = client.get(path, {"verdict": verdict, "choice": fields.get("choice", "")}, follow=True)
    form = re.search(r"<form[^>]*>.*?</form>", page.content.decode(), re.DOTALL)
    assert form, page.content.decode()
    hidden = dict(re.findall(r'type="hidden"\s+name="(\w+)"\s+value="([^"]*)"', form[0]))
    return client.post(page.request["PATH_INFO"], hidden | {"verdict": verdict} | fields)


# --- the address ---


def test_each_try_of_a_mail_holds_the_same_links_and_no_other_mail_does(gate, alice, bob):
    tasks = tasks_for(gate, 3)
    mail, other = (Mail.objects.create(person=alice, address=alice.email) for _ in range(2))
    first = addresses(mail, tasks, alice)
    life = list(Link.objects.order_by("digest").values_list("digest", "expires_at"))
    assert addresses(mail, tasks, alice) == first
    assert list(Link.objects.order_by("digest").values_list("digest", "expires_at")) == life
    found = {*first.values(), *addresses(other, tasks, alice).values()}
    assert len(found | {address(mail, tasks[0], bob)}) == 7
    assert all(re.fullmatch(r"http://127.0.0.1:8000/l/[\w-]{43}/", one) for one in found)


def test_a_digest_of_many_tasks_costs_one_query_for_its_links(
    gate, alice, django_assert_num_queries
):
    tasks = list(ApprovalTask.objects.select_related("gate").filter(pk__in=[
        task.pk for task in tasks_for(gate, 40)]))  # fmt: skip
    mail = Mail.objects.create(person=alice, address=alice.email)
    with django_assert_num_queries(1):
        assert len(addresses(mail, tasks, alice)) == 40


# --- with the sign-in ---


def test_by_default_a_link_names_what_is_asked_and_asks_for_the_sign_in(alice, client):
    task = task_for(
        GateFactory(groups=[TEAM], name="Refunds"),
        title="Refund order 4711", summary="To Erika", input={"iban": "AT61"}, requestedBy="dora",
        timeoutSeconds=7_000,
    )  # fmt: skip
    path = open_link(task, alice)
    page = client.get(path, {"verdict": "approve"})
    text = page.content.decode()
    assert page.status_code == 200
    assert all(said in text for said in ("Refund order 4711", "Refunds", "1 h left"))
    assert not any(said in text for said in ("Erika", "AT61", "dora", "<form", "Alice"))
    [sign_in] = re.findall(r'href="(/accounts/login/[^"]+)"', text)
    # Behind the sign-in it goes by the fingerprint: what leads there may be stored on the way.
    secret = path.split("/")[2]
    assert secret not in sign_in
    assert client.post(path, {"verdict": "approve"}).status_code == 403
    then = parse_qs(urlsplit(sign_in).query)["next"][0]
    answer = client.post(sign_in, {"login": "alice", "password": "correct horse battery"})
    assert answer["Location"] == then
    page = client.get(then)
    assert b"To Erika" in page.content
    assert b"AT61" in page.content
    assert b"Approve?" in page.content
    assert press(client, path).status_code == 302
    decision = Decision.objects.get()
    assert (decision.reviewer, decision.via) == (alice, Decision.Via.LINK)
    assert Link.objects.get().used_at
    assert b"You have approved this" in client.get(then).content


def test_signed_in_the_forms_secret_is_asked_for(gate, alice, signed_in):
    path = open_link(task_for(gate), alice)
    strict = signed_in(alice, enforce_csrf_checks=True)
    fingerprint = strict.get(path, {"verdict": "approve"})["Location"]
    assert strict.post(fingerprint, {"verdict": "approve"}).status_code == 403
    assert strict.post(path, {"verdict": "approve"}).status_code == 403
    assert not Decision.objects.exists()
    assert press(strict, path).status_code == 302
    assert Decision.objects.get().reviewer == alice


def test_signed_in_as_somebody_else_one_reads_for_whom_it_is(gate, alice, bob, charlie, signed_in):
    task = task_for(gate)
    path = open_link(task, alice)
    for user, sees in ((bob, True), (charlie, False)):
        client = signed_in(user)
        page = client.get(path, {"verdict": "approve"}, follow=True)
        text = page.content.decode()
        assert page.status_code == 403
        assert "This link is for Alice" in text
        assert (f"/tasks/{task.pk}/" in text) is sees
        assert (task.title in text) is False
        url = page.request["PATH_INFO"]
        assert client.post(url, {"verdict": "approve"}).status_code == 403
        [back] = re.findall(r'name="next" value="([^"]+)"', text)
        assert client.post("/accounts/logout/", {"next": back})["Location"] == back
        assert "/accounts/login/" in client.get(back)["Location"]
    assert not Decision.objects.exists()


# --- alone ---


def test_where_the_gate_allows_it_a_link_decides_once_without_a_sign_in(alice):
    task = task_for(alone_gate(quorum=2), summary="To Erika")
    path = open_link(task, alice)
    client = Client(enforce_csrf_checks=True)
    page = client.get(path)
    assert b"To Erika" in page.content
    assert b"Approve" in page.content
    assert b"Reject" in page.content
    assert press(client, path, comment="Fine.").status_code == 302
    decision = Decision.objects.get()
    assert (decision.reviewer, decision.via, decision.comment) == (alice, "link", "Fine.")
    assert client.cookies == {}
    done = client.get(path)
    assert b"You have approved this" in done.content
    assert b"It waits for 1 more approval." in done.content
    Decision.objects.all().delete()  # whatever becomes of the decision, the link is spent
    assert client.post(path, {"verdict": "reject", "comment": "x"}).status_code == 200
    assert not Decision.objects.exists()


@pytest.mark.parametrize("given", [
    {}, {"verdict": "approve"}, {"verdict": "approve", "shown": "x"}, {"verdict": "\0"},
    {"verdict": "maybe"}, {"verdict": "approve", "choice": "nothing"},
    {"verdict": "approve", "shown": "é" * 99},
])  # fmt: skip
def test_a_post_that_no_page_was_loaded_for_decides_nothing(given, alice, client):
    path = open_link(task_for(alone_gate()), alice)
    for query in ("", "?verdict=approve"):
        answer = client.post(path + query, given)
        assert answer.status_code == 422
        assert b"Nothing was decided." in answer.content
    assert not Decision.objects.exists()
    assert Link.objects.get().used_at is None


def test_alone_the_same_is_asked_as_everywhere(alice, client):
    path = open_link(task_for(alone_gate()), alice)
    refused = press(client, path, "reject")
    assert refused.status_code == 422
    assert b"Please say why you reject this." in refused.content
    assert press(client, path, "reject", comment="No order.").status_code == 302
    assert b"You have rejected this" in client.get(path).content


def test_a_link_that_decided_alone_long_ago_asks_for_the_sign_in(alice, client):
    gate = alone_gate()
    paths = [open_link(task_for(gate), alice) for _ in range(2)]
    Link.objects.update(alone_until="2020-01-01T00:00:00Z")
    assert b"Sign in to decide" in client.get(paths[0]).content
    # As does a younger one, once the gate has changed its mind.
    Link.objects.update(alone_until="9999-01-01T00:00:00Z")
    assert b"Sign in to decide" not in client.get(paths[0]).content
    Gate.objects.update(link_alone_minutes=None)
    assert b"Sign in to decide" in client.get(paths[0]).content


def test_whose_link_it_is_decides_not_who_is_signed_in(alice, bob, signed_in):
    task = task_for(alone_gate())
    assert press(signed_in(bob), open_link(task, alice)).status_code == 302
    assert Decision.objects.get().reviewer == alice
    assert AuditEvent.objects.filter(action="approved", actor=alice, data__via="link").exists()


def test_choices_of_the_gate_are_buttons_of_the_link(alice, client):
    choices = [
        {"key": "full", "label": "Pay in full"},
        {"key": "half", "label": "Pay half", "output": {"share": 0.5}},
    ]
    path = open_link(task_for(alone_gate(choices=choices)), alice)
    page = client.get(path).content.decode()
    assert [label in page for label in ("Pay in full", "Pay half", "Reject")] == [True] * 3
    assert press(client, path, choice="half").status_code == 302
    assert Decision.objects.get().choice == "half"
    assert b"You have decided: Pay half" in client.get(path).content


def test_a_decision_that_can_be_undone_says_until_when(alice, client):
    path = open_link(task_for(alone_gate(undo_seconds=300)), alice)
    press(client, path)
    assert re.search(rb"Until \d\d:\d\d it can be taken back", client.get(path).content)


# --- what it dies of ---


@pytest.mark.parametrize("is_alone", [False, True], ids=["sign-in", "alone"])
@pytest.mark.parametrize("name", DEATHS)
def test_a_dead_link_says_why_and_decides_nothing(name, is_alone, alice, signed_in):
    happen, status, words = DEATHS[name]
    world = World(alice, is_alone)
    happen(world)
    before = Decision.objects.count(), AuditEvent.objects.count()
    clients = [Client()]
    if name != "deactivated":
        clients.append(signed_in(alice))
    before = before[0], AuditEvent.objects.count()
    for client in clients:
        answers = [
            client.get(world.path, {"verdict": "approve"}, follow=True),
            client.post(world.path, {"verdict": "approve"}),
        ]
        for answer in answers:
            assert answer.status_code == status
            assert words in answer.content.decode()
            assert b'href="/' in answer.content  # the way to the inbox
            assert b"<textarea" not in answer.content
    assert (Decision.objects.count(), AuditEvent.objects.count()) == before


def test_an_unknown_link_tells_nothing(gate, alice, client):
    path = open_link(task_for(gate), alice)
    cut = path[:-9] + "/"
    for unknown in (cut, "/l/x/", "/l/%00/", "/l/" + "é" * 500 + "/"):
        for answer in (client.get(unknown), client.post(unknown, {"verdict": "approve"})):
            assert answer.status_code == 404
            assert b"There is no such link" in answer.content


@pytest.mark.parametrize("name", ["out of the team", "expired", "deactivated"])
def test_who_may_not_see_the_task_any_more_is_not_told_its_name(name, alice, client):
    world = World(alice, is_alone=True)
    DEATHS[name][0](world)
    assert b"4711" not in client.get(world.path).content


@pytest.mark.django_db(transaction=True)
def test_of_two_that_press_at_once_one_decides(alice):
    task = task_for(alone_gate(quorum=2))
    path = open_link(task, alice)
    page = Client().get(path, {"verdict": "approve"}).content.decode()
    [shown] = re.findall(r'name="shown" value="([^"]+)"', page)
    fields = {"verdict": "approve", "shown": shown}
    answers = at_once(*[lambda: Client().post(path, fields)] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 302]
    assert sum(b"You have approved this" in answer.content for answer in answers) == 3
    assert Decision.objects.count() == 1
    task.refresh_from_db()
    assert (task.status, task.approvals) == (TaskStatus.PENDING, 1)


# --- what it tells others ---


def test_nothing_of_a_links_page_is_kept_or_passed_on(gate, alice, signed_in, client):
    task = task_for(gate, links=["https://example.com/order"], summary="[x](https://example.com)")
    path = open_link(task, alice)
    alone = open_link(task_for(alone_gate(), links=["https://example.com/a"]), alice)
    for answer in (client.get(path), client.get(alone), client.get("/l/x/"), client.post(path)):
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer["X-Robots-Tag"]
    mine = signed_in(alice).get(path, follow=True)
    for answer in (client.get(path), client.get(alone), client.get("/l/x/"), mine):
        assert answer["Cache-Control"] == "private, no-store"
        outside = re.findall(r'<a[^>]*href="https?://[^>]*>', answer.content.decode())
        assert all("noreferrer" in tag for tag in outside)


def test_a_page_costs_the_same_however_much_there_is(alice, django_assert_max_num_queries):
    gate = alone_gate(quorum=2)
    path = open_link(task_for(gate), alice)
    tasks_for(gate, 30)
    with django_assert_max_num_queries(12):
        assert Client().get(path).status_code == 200


def test_sign_in_is_never_given_by_a_link(alice: User) -> None:
    client = Client()
    path = open_link(task_for(alone_gate()), alice)
    press(client, path)
    assert "/accounts/login/" in client.get("/")["Location"]
    assert "countersign_session" not in client.cookies
