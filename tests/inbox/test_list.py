"""The list shows what waits for this person, in the order of deadlines, at a constant cost."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.decisions.decide import decide
from approvals.models import Decision, Gate, User
from approvals.people.roles import AUDIT, OPERATE
from approvals.states import Verdict
from tests.conftest import OTHER_TEAM, TEAM, person
from tests.factories import GateFactory, task_for, tasks_for
from tests.inbox.conftest import ids_on

SignIn = Callable[..., Client]


def take(task_id: object, user: User, verdict: Verdict, comment: str = "") -> None:
    decide(task_id, person(user), verdict, comment=comment, via=Decision.Via.INBOX)


def test_the_tabs_tell_mine_from_the_teams_and_from_what_is_done(
    web: Client, alice: User, bob: User
) -> None:
    four_eyes = GateFactory(quorum=2, groups=[TEAM])
    waiting, said, done = (task_for(four_eyes), task_for(four_eyes), task_for(four_eyes))
    take(said.pk, alice, Verdict.APPROVE)
    take(done.pk, bob, Verdict.REJECT, "no")

    assert ids_on(web.get("/").content) == [str(waiting.pk)]
    assert set(ids_on(web.get("/?tab=team").content)) == {str(waiting.pk), str(said.pk)}
    assert ids_on(web.get("/?tab=done").content) == [str(done.pk)]


def test_a_requester_who_may_not_decide_has_the_task_under_team_only(
    web: Client, source: object
) -> None:
    gate = GateFactory(exclude_requester=True, groups=[TEAM])
    own = [task_for(gate, requestedBy=name) for name in ("alice", "Alice@Example.com")]
    others = task_for(gate, requestedBy="somebody else")
    assert ids_on(web.get("/").content) == [str(others.pk)]
    assert set(ids_on(web.get("/?tab=team").content)) == {str(task.pk) for task in (*own, others)}


def test_another_teams_tasks_are_not_there(
    gate: Gate, charlie: User, signed_in: SignIn, web: Client
) -> None:
    ours = task_for(gate)
    theirs = task_for(GateFactory(groups=[OTHER_TEAM]))
    assert ids_on(web.get("/?tab=team").content) == [str(ours.pk)]
    assert ids_on(signed_in(charlie).get("/?tab=team").content) == [str(theirs.pk)]


def test_the_first_to_run_out_is_on_top_and_those_without_deadline_below(
    gate: Gate, web: Client
) -> None:
    never = task_for(gate)
    later = task_for(gate, deadline=(timezone.now() + dt.timedelta(days=2)).isoformat())
    soon = task_for(gate, deadline=(timezone.now() + dt.timedelta(minutes=5)).isoformat())
    page = web.get("/").content
    assert ids_on(page) == [str(task.pk) for task in (soon, later, never)]
    assert b"left soon" in page


def test_following_the_pages_shows_every_task_once(gate: Gate, web: Client) -> None:
    other = GateFactory(groups=[TEAM])
    expected = {str(task.pk) for task in (*tasks_for(gate, 70), *tasks_for(other, 62))}
    seen: list[str] = []
    query = ""
    for _ in range(4):
        response = web.get(query or "/")
        seen += ids_on(response.content)
        query = response.context["listing"].next_url
        if not query:
            break
    assert len(seen) == len(expected)
    assert set(seen) == expected


def test_done_is_newest_first_across_gates_and_pages(gate: Gate, web: Client, bob: User) -> None:
    other = GateFactory(groups=[TEAM])
    tasks = [*tasks_for(gate, 30), *tasks_for(other, 30)]
    for task in tasks:
        take(task.pk, bob, Verdict.APPROVE)
    first = web.get("/?tab=done")
    query = first.context["listing"].next_url
    seen = ids_on(first.content) + ids_on(web.get(query).content)
    assert seen == [str(task.pk) for task in reversed(tasks)]


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "0", "-", "1-2", "f" * 15 + "-" + "0" * 32, "1-" + "g" * 32, "'; drop", "\0"],
)
def test_a_bad_cursor_is_the_first_page(gate: Gate, web: Client, cursor: str) -> None:
    task_for(gate)
    response = web.get("/", {"after": cursor})
    assert response.status_code == 200


def test_filters_narrow_the_list_and_can_be_cleared(gate: Gate, web: Client) -> None:
    other = GateFactory(groups=[TEAM])
    here = task_for(
        gate, requestedBy="dora", context={"StateMachine": {"Name": "order-refunds", "Id": "x"}}
    )
    there = task_for(other, requestedBy="Erik@example.com")
    for query, wanted in (
        (f"gate={gate.pk}", [here]),
        (f"gate={other.pk}", [there]),
        ("workflow=order-refunds", [here]),
        ("workflow=order", []),
        ("requester=erik@example.com", [there]),
        ("gate=abc", [here, there]),
        ("gate=999999999999999999", [here, there]),
    ):
        page = web.get(f"/?{query}")
        assert set(ids_on(page.content)) == {str(task.pk) for task in wanted}, query
    assert b'href="/"' in web.get("/?workflow=order").content


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("refund", True),
        ("REF Mari", True),
        ("hub", True),
        ("order-refu", True),
        ("dora@exam", True),
        ("dora@example.com", True),
        ("invoice", False),
        ("refund invoice", False),
        ("it's \\ & | ! :* <-> ()", False),
        ("!!!", False),
        ("'", False),
        ("\\", False),
    ],
)
def test_search_finds_beginnings_of_words_and_takes_anything(
    gate: Gate, web: Client, words: str, found: bool
) -> None:
    task = task_for(
        gate,
        title="Refund 120 EUR to Maria Huber",
        requestedBy="dora@example.com",
        context={"StateMachine": {"Name": "order-refunds", "Id": "x"}},
    )
    page = web.get("/", {"q": words})
    assert page.status_code == 200
    assert (str(task.pk) in ids_on(page.content)) is found


def test_nul_and_overlong_input_is_taken_calmly(gate: Gate, web: Client) -> None:
    for value in ("\0", "a\0b", "x" * 5_000, "\ud800".encode("utf-8", "surrogatepass")):
        for name in ("q", "workflow", "requester", "tab", "gate"):
            assert web.get("/", {name: value}).status_code == 200


def test_the_cost_does_not_depend_on_the_number_of_rows(gate: Gate, web: Client) -> None:
    def queries(query: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert web.get(f"/{query}").status_code == 200
        assert not any("token_ciphertext" in one["sql"] for one in captured)
        assert not any('"payload"' in one["sql"] for one in captured)
        return len(captured)

    tasks_for(gate, 10)
    web.get("/")  # which rooms are open is kept for some seconds
    few = queries(""), queries("?tab=team"), queries("?tab=done")
    tasks_for(gate, 40)
    tasks_for(GateFactory(groups=[TEAM]), 20)
    assert (queries(""), queries("?tab=team"), queries("?tab=done")) == few
    # session, user, my desks, my gates with counts, the page
    assert few == (5, 5, 5)


def test_titles_are_text(gate: Gate, web: Client) -> None:
    task_for(gate, title='<img src=x onerror="alert(1)">')
    page = web.get("/").content
    assert b"<img src=x" not in page
    assert b"&lt;img src=x" in page


def test_counts_are_capped_and_in_the_title(gate: Gate, web: Client) -> None:
    assert b"<title>Inbox" in web.get("/").content
    tasks_for(gate, 3)
    assert b"<title>(3) Inbox" in web.get("/").content
    tasks_for(gate, 100)
    page = web.get("/").content
    assert b"<title>(99+) Inbox" in page
    assert b"/favicon.svg?n=99%2B" in page


def test_a_refresh_says_nothing_while_nothing_has_changed(gate: Gate, web: Client) -> None:
    task_for(gate)
    htmx = {"HX-Request": "true"}
    part = web.get("/", headers=htmx)
    assert b"<html" not in part.content
    version = part.context["listing"].version
    assert web.get(f"/?v={version}", headers=htmx).status_code == 204
    task_for(gate)
    changed = web.get(f"/?v={version}", headers=htmx)
    assert changed.status_code == 200
    assert len(ids_on(changed.content)) == 2


def test_empty_states_say_what_to_do(
    gate: Gate, web: Client, olive: User, signed_in: SignIn
) -> None:
    assert b"Nothing waits for you" in web.get("/").content
    assert b"Nothing found" in web.get("/?q=nothing").content
    assert b"Nothing has been decided yet" in web.get("/?tab=done").content
    assert b"No gate names you yet" in signed_in(olive).get("/").content


def test_gates_and_rooms_are_those_that_people_and_roles_name(
    gate: Gate, alice: User, olive: User, audrey: User, ada: User, signed_in: SignIn
) -> None:
    """The list asks for them in SQL of its own."""
    twice = GateFactory(groups=[TEAM, OTHER_TEAM], users=[alice, olive])
    GateFactory(groups=[OTHER_TEAM])
    alice.user_permissions.add(Permission.objects.get(codename="view_auditevent"))
    for user in (alice, olive, audrey, ada):
        response = signed_in(user).get("/")
        listed = {one.id for one in response.context["listing"].gates}
        assert listed == set(person(user).gates)
        rooms = {entry.name for entry in response.context["nav"]}
        fresh = User.objects.get(pk=user.pk)
        assert ("Ledger" in rooms) is fresh.has_perm(AUDIT)
        assert ("Operations" in rooms) is fresh.has_perm(OPERATE)
        assert ("Configuration" in rooms) is fresh.is_staff
    assert set(person(alice).gates) == {gate.pk, twice.pk}
