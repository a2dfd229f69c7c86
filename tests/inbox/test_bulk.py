"""Several at once, through the real pages: what goes together, what does not, and what became of
each."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.decisions.decide import decide
from approvals.decisions.undo import make_final_due
from approvals.models import ApprovalTask, AuditEvent, Decision, Gate, Place
from approvals.states import TaskStatus, Verdict
from tests.conftest import TEAM, person
from tests.factories import GateFactory, task_for

URL = "/tasks/several/"
NOBODYS = str(UUID(int=1))
FIELD = re.compile(r'name="(shown|batch|verdict)" value="([^"]+)"')


def refunds(gate: Gate, count: int, **fields: Any) -> list[ApprovalTask]:
    return [
        task_for(gate, title=f"Refund {n}", input={"amount": n, "currency": "EUR"}, **fields)
        for n in range(1, count + 1)
    ]


def ask(web: Client, tasks: list[ApprovalTask], verdict: str = "approve") -> Any:
    return web.get(URL, {"verdict": verdict, "task": [str(task.pk) for task in tasks]})


def form_on(page: Any, **more: str) -> dict[str, Any]:
    form: dict[str, Any] = {"shown": []}
    for name, value in FIELD.findall(page.content.decode()):
        if name == "shown":
            form["shown"].append(value)
        else:
            form[name] = value
    return form | more


def statuses() -> list[str]:
    return list(ApprovalTask.objects.order_by("id").values_list("status", flat=True))


def text(page: Any) -> str:
    """As it is read, without the tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.content.decode()).split())


def test_like_tasks_are_shown_with_their_differences_and_decided_each_by_itself(gate, web, alice):
    page = ask(web, refunds(gate, 3))
    said = text(page)
    assert "Approve 3 tasks?" in said
    assert "currency EUR" in said
    assert "Sum 6 · 1 to 3" in said
    done = web.post(URL, form_on(page, comment="Checked the list"))
    assert "3 approved" in text(done)
    assert statuses() == [TaskStatus.APPROVED] * 3
    decisions = list(Decision.objects.all())
    assert {one.via for one in decisions} == {Decision.Via.BULK}
    assert len({one.batch for one in decisions}) == 1
    assert {one.comment for one in decisions} == {"Checked the list"}
    bulk = {"bulk": {"tasks": 3, "differs_in": ["/amount"]}}
    assert [one.pointed_out for one in decisions] == [bulk] * 3
    event = AuditEvent.objects.filter(action="approved").first()
    assert event.data["pointed_out"] == bulk


def test_the_summary_is_rendered_and_the_time_left_is_that_of_the_gate(gate, web):
    tasks = refunds(gate, 2, summary="Check **both**")
    ApprovalTask.objects.update(decide_by=timezone.now() + timedelta(minutes=10, seconds=30))
    page = ask(web, tasks)
    assert "<strong>both</strong>" in page.content.decode()
    assert text(page).count("10 min left") == 2


def test_tasks_that_do_not_differ_have_nothing_pointed_out(gate, web):
    web.post(URL, form_on(ask(web, [task_for(gate, input={"a": 1}) for _ in range(2)])))
    assert [one.pointed_out for one in Decision.objects.all()] == [{}, {}]


def test_sending_the_form_twice_decides_once_and_says_the_same(gate, web):
    form = form_on(ask(web, refunds(gate, 2)))
    first = web.post(URL, form)
    second = web.post(URL, form)
    assert text(first) == text(second)
    assert Decision.objects.count() == 2


def test_a_mixed_selection_goes_group_by_group_with_the_reasons(gate, web, alice, bob):
    tasks = refunds(gate, 3)
    shape = task_for(gate, title="Other shape", input={"amount": "1"})
    workflow = task_for(gate, title="Other gate", input={"amount": 1, "currency": "EUR"})
    workflow.gate = GateFactory(name="Exports", groups=[TEAM])
    workflow.save(update_fields=["gate"])
    taken = task_for(gate, title="Taken")
    taken.claimed_by, taken.claimed_at = bob, taken.received_at
    taken.save(update_fields=["claimed_by", "claimed_at"])
    form_gate = GateFactory(
        groups=[TEAM], form={"type": "object", "properties": {"why": {"type": "string"}}}
    )
    asks = task_for(form_gate, title="Asks")
    page = ask(web, [shape, *tasks, workflow, taken, asks])
    said = text(page)
    assert "Approve 3 tasks?" in said
    assert "has a payload of another shape" in said
    assert "is at another gate: Exports" in said
    assert f"{bob.display_name} is on it" in said
    assert "asks for a form" in said
    web.post(URL, form_on(page))
    decided = Decision.objects.values_list("task", flat=True)
    assert set(decided) == {task.pk for task in tasks}


def test_what_somebody_else_decided_meanwhile_is_reported_and_the_rest_is_decided(gate, web, bob):
    tasks = refunds(gate, 2)
    form = form_on(ask(web, tasks))
    decide(tasks[0].pk, person(bob), Verdict.REJECT, via=Decision.Via.INBOX, comment="No")
    said = text(web.post(URL, form))
    assert "1 approved, 1 not" in said
    assert f"{bob.display_name} has already rejected this." in said
    assert statuses() == [TaskStatus.REJECTED, TaskStatus.APPROVED]


def test_what_has_changed_since_it_was_shown_is_not_decided(gate, web):
    tasks = refunds(gate, 2)
    form = form_on(ask(web, tasks))
    tasks[0].edited_payload = {"amount": 1_000_000, "currency": "EUR"}
    tasks[0].save(update_fields=["edited_payload"])
    said = text(web.post(URL, form))
    assert "It has changed since you looked at it." in said
    assert statuses() == [TaskStatus.PENDING, TaskStatus.APPROVED]


def test_a_form_that_mixes_what_is_not_alike_decides_nothing(gate, web):
    one = form_on(ask(web, [task_for(gate, input={"a": 1})]))
    other = form_on(ask(web, [task_for(gate, input={"b": 1})]))
    answer = web.post(URL, one | {"shown": one["shown"] + other["shown"]})
    assert answer.status_code == 409
    assert not Decision.objects.exists()


def test_rejecting_wants_one_reason_for_all(gate, web):
    form = form_on(ask(web, refunds(gate, 2), "reject"))
    refused = web.post(URL, form | {"comment": " "})
    assert refused.status_code == 422
    assert "Please say why you reject this." in text(refused)
    assert not Decision.objects.exists()
    assert form_on(refused)["batch"] == form["batch"]
    assert "2 rejected" in text(web.post(URL, form_on(refused, comment="Twice")))


def test_two_of_two_says_what_still_waits(gate, web):
    Gate.objects.update(quorum=2)
    said = text(web.post(URL, form_on(ask(web, refunds(gate, 2)))))
    assert said.count("waits for 1 more approval") == 2
    assert statuses() == [TaskStatus.PENDING] * 2


def test_tasks_of_others_are_not_revealed(gate, charlie, signed_in):
    tasks = refunds(gate, 2)
    stranger = signed_in(charlie)
    page = ask(stranger, tasks)
    assert page.status_code == 200
    assert "2 of the selected do not exist or are not for you" in text(page)
    assert "Refund" not in text(page)
    form = {"verdict": "approve", "batch": uuid4(), "shown": [f"{t.pk}.{'0' * 32}" for t in tasks]}
    assert "Refund" not in text(stranger.post(URL, form))
    assert not Decision.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "", "task=x&verdict=approve", "verdict=approve", "verdict=maybe&task=" + NOBODYS,
        "verdict=approve&" + "&".join(f"task={UUID(int=n)}" for n in range(51)),
        "verdict=approve&task=%00", "verdict=%ff&task=1",
    ],
)  # fmt: skip
def test_an_address_that_makes_no_sense_is_refused(query, web):
    assert web.get(f"{URL}?{query}").status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": "x"}, {"shown": []}, {"shown": ["x"]}, {"verdict": "maybe"},
        {"shown": ["-" * 36 + "." + "0" * 32]}, {"batch": "\0"},
        {"shown": [f"{UUID(int=n)}.{'0' * 32}" for n in range(51)]},
    ],
)  # fmt: skip
def test_a_form_that_makes_no_sense_is_refused(wrong, gate, web):
    form = form_on(ask(web, refunds(gate, 1)))
    assert web.post(URL, form | wrong).status_code == 400
    assert not Decision.objects.exists()


@pytest.mark.parametrize("narrowed", [False, True])
def test_showing_fifty_asks_the_database_no_more_than_showing_two(narrowed, gate, web, alice):
    tasks = refunds(gate, 50)
    if narrowed:
        ApprovalTask.objects.update(has_places=True, is_narrowed=True)
        Place.objects.bulk_create(
            Place(task=task, user=alice, why=Place.Why.NAMED) for task in tasks
        )

    def queries(count: int) -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert f"Approve {count} tasks?" in text(ask(web, tasks[:count]))
        return len(found)

    queries(2)
    assert queries(2) == queries(50)


def test_only_what_waits_for_me_has_boxes_to_tick(gate, web):
    refunds(gate, 2)
    assert web.get("/").content.count(b'name="task"') == 2
    assert b'name="task"' not in web.get("/?tab=team").content


def test_values_of_a_message_are_text(gate, web):
    nasty = "<script>alert(1)</script>"
    tasks = [
        task_for(gate, title=nasty, summary=f"{nasty}{n}", input={nasty: n, "same": nasty})
        for n in range(2)
    ]
    page = ask(web, tasks)
    assert nasty not in page.content.decode()
    assert nasty not in web.post(URL, form_on(page)).content.decode()


UNDO = "/tasks/several/undo/"


def held(web: Client, gate: Gate, count: int) -> tuple[Any, dict[str, Any]]:
    """What was said of so many that are decided together and can still be undone; and the form."""
    Gate.objects.update(undo_seconds=60)
    form = form_on(ask(web, refunds(gate, count)))
    return web.post(URL, form), form


def test_each_that_can_still_be_undone_offers_it(gate, web):
    done, _ = held(web, gate, 2)
    addresses = re.findall(r'action="(/tasks/[0-9a-f-]{36}/undo/)"', done.content.decode())
    assert len(addresses) == 2
    assert text(done).count("The workflow hears of it at") == 2
    assert web.post(addresses[0]).status_code == 302
    [first, second] = ApprovalTask.objects.order_by("id")
    assert first.settles_at is None
    assert second.settles_at


def test_all_of_them_are_taken_back_at_once_and_only_once(gate, web):
    done, form = held(web, gate, 3)
    assert "Undo all 3" in text(done)
    back = web.post(UNDO, {"batch": form["batch"]})
    assert "3 taken back" in text(back)
    assert not ApprovalTask.objects.exclude(settles_at=None).exists()
    assert AuditEvent.objects.filter(action="undone").count() == 3
    again = web.post(UNDO, {"batch": form["batch"]}, follow=True)
    assert "Nothing of it is left to be taken back." in text(again)
    assert AuditEvent.objects.filter(action="undone").count() == 3


def test_what_was_taken_back_is_not_decided_by_sending_the_old_form_again(gate, web):
    _, form = held(web, gate, 2)
    web.post(UNDO, {"batch": form["batch"]})
    again = text(web.post(URL, form))
    assert again.count("You have taken this back.") == 2
    assert Decision.objects.exclude(withdrawn_at=None).count() == Decision.objects.count() == 2
    assert not ApprovalTask.objects.exclude(settles_at=None).exists()


def test_whatever_has_become_final_meanwhile_is_reported(gate, web):
    _, form = held(web, gate, 2)
    first = ApprovalTask.objects.order_by("id").first()
    ApprovalTask.objects.filter(pk=first.pk).update(settles_at=timezone.now())
    make_final_due()
    back = text(web.post(UNDO, {"batch": form["batch"]}))
    assert "1 taken back, 1 not" in back
    assert "Too late to undo: Alice has already approved this." in back
    assert statuses() == [TaskStatus.APPROVED, TaskStatus.PENDING]


def test_where_some_are_final_at_once_all_can_not_be_undone_together(gate, web):
    Gate.objects.update(quorum=2, undo_seconds=60)
    tasks = refunds(gate, 2)
    page = text(web.post(URL, form_on(ask(web, tasks))))
    assert "2 approved" in page
    assert "Undo" not in page


def test_nobody_takes_back_what_somebody_else_decided(gate, web, bob, signed_in):
    _, form = held(web, gate, 2)
    answer = signed_in(bob).post(UNDO, {"batch": form["batch"]})
    assert answer.status_code == 302
    assert ApprovalTask.objects.exclude(settles_at=None).count() == 2


@pytest.mark.parametrize("batch", ["", "x", "\0"])
def test_an_undo_that_makes_no_sense_is_refused(batch, web):
    assert web.post(UNDO, {"batch": batch}).status_code == 400
