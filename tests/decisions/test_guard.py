"""What is pointed out about a decision, and which tasks are alike: nothing is forbidden by it."""

import re
import time

import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import given, strategies as st

from approvals.decisions import guard
from approvals.decisions.likeness import differences, groups, leaves, likeness
from approvals.models import ApprovalTask, AuditEvent, Decision, Gate, User
from tests.factories import task_for

LONG = " ".join(f"word{n}" for n in range(150))  # 15 s at the speed of a quick reader
OPENED = re.compile(r'name="opened" value="([^"]+)"')

scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "b"])
payloads = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "a/b", "~"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def of(payload: object, **fields: object) -> ApprovalTask:
    return ApprovalTask(gate=Gate(pk=1), payload=payload, **fields)


@given(payloads, payloads)
def test_likeness_is_symmetric_and_nothing_but_values_may_differ(one, other):
    first, second = of(one), of(other)
    alike = likeness(first) == likeness(second)
    assert alike == (likeness(second) == likeness(first))
    assert likeness(first) == likeness(of(one))
    if alike:
        assert leaves(one).keys() == leaves(other).keys()
        found = differences([first, second])
        assert [c.path for c in found.columns] == [
            path for path, value in leaves(one).items() if value != leaves(other)[path]
        ]
        assert {c.path for c in differences([second, first]).columns} == {
            c.path for c in found.columns
        }


@given(st.lists(payloads, max_size=8), st.randoms())
def test_groups_do_not_depend_on_the_order(some, random):
    tasks = [of(one) for one in some]
    shuffled = random.sample(tasks, len(tasks))
    assert {frozenset(t.pk for t in one) for one in groups(tasks)} == {
        frozenset(t.pk for t in one) for one in groups(shuffled)
    }
    assert sum(map(len, groups(tasks))) == len(tasks)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": None}),
        ({"a": [1]}, {"a": [1, 2]}),
        ({"a": {}}, {"a": []}),
        ({"a/b": 1}, {"a": {"b": 1}}),
    ],
)
def test_payloads_of_another_shape_are_not_alike(one, other):
    assert likeness(of(one)) != likeness(of(other))


def test_whole_and_broken_numbers_are_alike():
    assert likeness(of({"a": 1})) == likeness(of({"a": 1.5}))


def test_sums_are_those_that_people_expect():
    [column] = differences([of({"a": 0.1}), of({"a": 0.2})]).columns
    assert str(column.total) == "0.3"


# --- how fast ---


def decide_after(seconds: float, web: Client, task: ApprovalTask, time_machine) -> Decision:
    """As a browser does: open the task, press the button, send the form."""
    page = web.get(f"/tasks/{task.pk}/").content.decode()
    [link] = set(re.findall(rf'href="(/tasks/{task.pk}/decide/\?verdict=approve[^"]*)"', page))
    asked = web.get(link.replace("&amp;", "&")).content.decode()
    time_machine.shift(seconds)
    form = {"verdict": "approve", "opened": OPENED.search(asked)[1]}
    assert web.post(f"/tasks/{task.pk}/decide/", form).status_code == 302
    return task.decisions.get()


@pytest.fixture
def alice_web(alice: User, signed_in) -> Client:
    return signed_in(alice)


def test_faster_than_reading_is_pointed_out_and_said_kindly(gate, alice_web, time_machine):
    time_machine.move_to(time.time(), tick=False)
    task = task_for(gate, summary=LONG, input=None)
    decision = decide_after(1.2, alice_web, task, time_machine)
    assert decision.read_seconds == pytest.approx(1.2, abs=0.01)
    assert decision.pointed_out == {"fast": {"seconds": 1.2, "reading": 15}}
    event = AuditEvent.objects.get(action="approved")
    assert event.data["pointed_out"] == decision.pointed_out
    assert "quicker than it takes to read" in alice_web.get("/").content.decode()
    page = alice_web.get(f"/tasks/{task.pk}/").content.decode()
    assert page.count("ecided 1 s after opening it; reading it takes about 15 s") == 2


def test_who_has_read_is_left_alone(gate, alice_web, time_machine):
    time_machine.move_to(time.time(), tick=False)
    decision = decide_after(20, alice_web, task_for(gate, summary=LONG), time_machine)
    assert decision.read_seconds == pytest.approx(20, abs=0.01)
    assert decision.pointed_out == {}
    assert "pointed_out" not in AuditEvent.objects.get(action="approved").data


def test_a_page_brought_up_to_date_was_opened_before(gate, alice, alice_web, time_machine):
    time_machine.move_to(time.time(), tick=False)
    task = task_for(gate)
    stamp = guard.opened_now(task.pk, alice)
    time_machine.shift(30)
    part = alice_web.get(f"/tasks/{task.pk}/?opened={stamp}", headers={"HX-Request": "true"})
    assert stamp in part.content.decode()


def test_nothing_is_known_without_a_stamp_of_this_task_and_person(gate, alice, bob, alice_web):
    task, other = task_for(gate), task_for(gate)
    ours = guard.opened_now(task.pk, alice)
    forged = [
        "", "x", "ffff-" + ours.partition("-")[2], ours[:-1], "-", "é" * 20, "0-\0",
        guard.opened_now(other.pk, alice), guard.opened_now(task.pk, bob),
    ]  # fmt: skip
    assert all(guard.seconds_open(stamp, task.pk, alice) is None for stamp in forged)
    assert guard.seconds_open(ours, task.pk, alice) is not None
    form = {"verdict": "approve", "opened": guard.opened_now(other.pk, alice)}
    assert alice_web.post(f"/tasks/{task.pk}/decide/", form).status_code == 302
    assert task.decisions.get().read_seconds is None
    assert task.decisions.get().pointed_out == {}


def test_a_clock_that_was_set_back_accuses_nobody(gate, alice, time_machine):
    time_machine.move_to(time.time(), tick=False)
    task = task_for(gate)
    stamp = guard.opened_now(task.pk, alice)
    time_machine.shift(-60)
    assert guard.seconds_open(stamp, task.pk, alice) is None


def test_a_series_is_pointed_out_once(gate, alice_web, time_machine):
    time_machine.move_to(time.time(), tick=False)
    found = [
        decide_after(0.5, alice_web, task_for(gate, summary=LONG), time_machine).pointed_out
        for _ in range(guard.SERIES + 2)
    ]
    assert ["series" in one for one in found] == [False] * 4 + [True] + [False] * 2


def test_reading_takes_as_long_as_there_are_words_within_bounds():
    assert guard.reading_seconds(of(None)) == guard.SHORTEST
    assert guard.reading_seconds(of({"text": LONG})) == pytest.approx(15.1)
    assert guard.reading_seconds(of({"text": LONG * 50})) == guard.LONGEST


def test_outside_jobs_are_left_alone(alice):
    task = ApprovalTask(gate=Gate(kind=Gate.Kind.JOB), summary=LONG)
    assert guard.too_fast(task, alice, 0.1) == {}


# --- how fast, several at once ---

FIELD = re.compile(r'name="(shown|batch|verdict|opened)" value="([^"]+)"')


def refunds(gate: Gate, count: int, **fields: object) -> list[ApprovalTask]:
    """Whose table has five words a row."""
    return [
        task_for(gate, input={"amount": f"{n}.50", "to": f"Customer of day {n}"}, **fields)
        for n in range(count)
    ]


def ask_together(web: Client, tasks: list[ApprovalTask], verdict: str = "approve") -> dict:
    page = web.get("/tasks/several/", {"verdict": verdict, "task": [t.pk for t in tasks]})
    return form_of(page)


def form_of(page: HttpResponse) -> dict:
    found = FIELD.findall(page.content.decode())
    return dict(found) | {"shown": [value for name, value in found if name == "shown"]}


def test_a_table_decided_faster_than_it_can_be_read_is_pointed_out_as_one(
    gate, alice_web, time_machine
):
    """Twenty at once are no series by themselves."""
    time_machine.move_to(time.time(), tick=False)
    form = ask_together(alice_web, refunds(gate, 20, summary=LONG))
    time_machine.shift(3)
    page = alice_web.post("/tasks/several/", form).content.decode()
    assert "quicker than it takes to read the table" in page
    decisions = list(Decision.objects.all())
    assert [one.read_seconds for one in decisions] == pytest.approx([3] * 20, abs=0.01)
    # 150 words that are the same in all, once, and five in each of twenty rows.
    fast = {"seconds": 3.0, "reading": 25}
    bulk = {"bulk": {"tasks": 20, "differs_in": ["/amount", "/to"], "fast": fast}}
    assert [one.pointed_out for one in decisions] == [bulk] * 20
    page = alice_web.get(f"/tasks/{decisions[0].task_id}/").content.decode()
    assert "ecided 3 s after opening a table of 20; reading it takes about 25 s" in page


def test_who_has_read_the_table_is_left_alone(gate, alice_web, time_machine):
    """Though no task was open by itself: what the table leaves out is not asked for."""
    time_machine.move_to(time.time(), tick=False)
    more = {f"more{n}": LONG for n in range(20)}
    tasks = [task_for(gate, summary=LONG, input={"a": {"b": n}, **more}) for n in range(5)]
    assert guard.reading_seconds(tasks[0]) == guard.LONGEST
    form = ask_together(alice_web, tasks)
    # The summary, and of twelve of the twenty that are the same what is not folded.
    folded = sum(len(LONG[:280].split()) for _ in range(12)) / guard.WORDS_A_SECOND
    time_machine.shift(15 + folded + 1)
    assert "quicker" not in alice_web.post("/tasks/several/", form).content.decode()
    differ = {"bulk": {"tasks": 5, "differs_in": ["/a/b"]}}
    assert [one.pointed_out for one in Decision.objects.all()] == [differ] * 5


def test_a_table_that_is_asked_again_was_opened_before(gate, alice_web, time_machine):
    time_machine.move_to(time.time(), tick=False)
    form = ask_together(alice_web, refunds(gate, 2, summary=LONG), "reject")
    time_machine.shift(30)
    again = alice_web.post("/tasks/several/", form)
    assert again.status_code == 422
    assert form_of(again)["opened"] == form["opened"]
    other = ask_together(alice_web, [task_for(gate, input={"b": 1})])
    mixed = form | {"shown": form["shown"] + other["shown"]}
    another_table = alice_web.post("/tasks/several/", mixed)
    assert another_table.status_code == 409
    assert form_of(another_table)["opened"] != form["opened"]
    time_machine.shift(1)
    alice_web.post("/tasks/several/", form_of(again) | {"comment": "Not these"})
    assert [one.read_seconds for one in Decision.objects.all()] == pytest.approx([31] * 2, abs=0.01)
    assert not any("fast" in one.pointed_out["bulk"] for one in Decision.objects.all())


def test_of_a_table_nothing_is_known_without_its_own_stamp(gate, alice_web):
    tasks = refunds(gate, 2)
    form = ask_together(alice_web, tasks)
    other = ask_together(alice_web, tasks)
    for opened in ("", "x", "0-\0", other["opened"]):
        page = alice_web.post("/tasks/several/", form | {"opened": opened})
        assert "quicker" not in page.content.decode()
    assert {one.read_seconds for one in Decision.objects.all()} == {None}


def test_a_table_is_no_part_of_a_series_and_does_not_hide_one(gate, alice_web, time_machine):
    time_machine.move_to(time.time(), tick=False)
    found = []
    for _ in range(guard.SERIES):
        alice_web.post("/tasks/several/", ask_together(alice_web, refunds(gate, 3)))
        task = task_for(gate, summary=LONG)
        found.append(decide_after(0.5, alice_web, task, time_machine).pointed_out)
    assert ["series" in one for one in found] == [False] * 4 + [True]


def test_a_table_of_outside_jobs_is_left_alone():
    gate = Gate(kind=Gate.Kind.JOB)
    tasks = [ApprovalTask(gate=gate, payload={"n": n}) for n in range(2)]
    assert guard.together(tasks, ["/n"], LONG, 0.1) == {}


def test_the_ledger_finds_what_is_pointed_out(gate, audrey, alice_web, signed_in, time_machine):
    time_machine.move_to(time.time(), tick=False)
    fast, read = task_for(gate, title="Fast", summary=LONG), task_for(gate, title="Read")
    decide_after(1, alice_web, fast, time_machine)
    decide_after(20, alice_web, read, time_machine)
    web = signed_in(audrey)
    page = web.get("/ledger/?pointed_out=on").content.decode()
    assert "Fast" in page
    assert "reading it takes about 15 s" in page
    assert str(read.pk) not in page
    lines = b"".join(web.get("/ledger/export.csv?pointed_out=on")).decode().splitlines()
    assert len(lines) == 2
    assert "pointed_out" in lines[1]
