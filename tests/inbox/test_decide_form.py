"""What is asked beside yes or no: the form, choices, and a payload that may be changed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from approvals.asked import needs_more
from approvals.asked.edits import UNCHANGED, digest
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.errors import CannotDecide
from approvals.models import ApprovalTask, AuditEvent, Callback, Decision, Gate, User
from approvals.states import Verdict
from tests.conftest import TEAM, person
from tests.factories import GateFactory, UserFactory, task_for

SignIn = Callable[..., Client]
FORM = {
    "type": "object",
    "required": ["amount"],
    "properties": {
        "amount": {"type": "number", "title": "Amount", "x-default-from": "total", "maximum": 100},
        "team": {"type": "string", "enum": ["Ops", "Sales"]},
    },
}
CHOICES = [
    {"key": "all", "label": "Pay all", "verdict": "approve", "output": {"share": 1}},
    {"key": "half", "label": "Pay half", "verdict": "approve", "output": {"share": 0.5}},
    {"key": "fraud", "label": "Report fraud", "verdict": "reject", "reason": True},
]
PAYLOAD = {"total": 250, "order": {"id": "A-1", "note": "one\r\ntwo"}, "a/b": [1, True]}


def url(task: ApprovalTask, query: str = "") -> str:
    return f"/tasks/{task.pk}/decide/{query}"


def output_of(task: ApprovalTask) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Callback.objects.get(task=task).output)
    return found


# --- a form ---


def test_a_form_is_asked_for_on_approving_and_goes_to_the_workflow(web: Client) -> None:
    task = task_for(GateFactory(groups=[TEAM], form=FORM), input={"total": 12.5})
    page = web.get(url(task, "?verdict=approve")).content.decode()
    assert 'name="form-amount" value="12.5"' in page
    assert "form-amount" not in web.get(url(task, "?verdict=reject")).content.decode()
    answer = web.post(url(task), {"verdict": "approve", "form-amount": "40", "form-team": "Ops"})
    assert answer.status_code == 302
    assert output_of(task)["form"] == {"amount": 40, "team": "Ops"}
    assert Decision.objects.get(task=task).form == {"amount": 40, "team": "Ops"}
    shown = web.get(f"/tasks/{task.pk}/").content.decode()
    assert "Amount" in shown
    assert "<dd>40</dd>" in shown


@pytest.mark.parametrize("amount", ["", "1000", "much", pytest.param("[" * 50_000, id="deep")])
def test_what_does_not_fit_the_form_is_told_at_its_field(web: Client, amount: str) -> None:
    task = task_for(GateFactory(groups=[TEAM], form=FORM))
    answer = web.post(url(task), {"verdict": "approve", "form-amount": amount, "comment": "kept"})
    assert answer.status_code == 422
    assert b'aria-invalid="true"' in answer.content
    assert b'href="#form-amount"' in answer.content
    assert b"kept" in answer.content
    assert not Decision.objects.exists()


def test_no_door_gets_past_the_form(gate: Gate, alice: User) -> None:
    gate.form = FORM
    gate.save()
    task = task_for(gate)
    assert needs_more(task)
    for form in (None, {}, {"amount": 1000}, {"amount": True}, {"amount": float("nan")}):
        with pytest.raises(CannotDecide):
            decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.BULK, form=form)
    with pytest.raises(CannotDecide, match="no form"):
        decide(task.pk, person(alice), Verdict.REJECT, via=Decision.Via.BULK, comment="no", form={})


def test_the_form_of_a_message_is_asked_where_the_gate_has_none(gate: Gate, web: Client) -> None:
    task = task_for(gate, form=FORM)
    assert task.form == FORM
    assert task.payload is None
    assert b"form-amount" in web.get(url(task, "?verdict=approve")).content
    gate.form = {"properties": {"other": {"type": "string"}}}
    gate.save()
    assert b"form-amount" not in web.get(url(task, "?verdict=approve")).content


def test_an_answer_that_the_engine_would_not_take_is_refused_before(web: Client) -> None:
    text = {"properties": {"text": {"type": "string", "maxLength": 9_000}}}
    gate = GateFactory(groups=[TEAM], form=text, editable=["/more"])
    task = task_for(gate, input={"more": "x" * 255_000})
    seen = digest(task)
    sent = {"verdict": "approve", "form-text": "y" * 9_000, "seen": seen}
    answer = web.post(url(task), sent)
    assert answer.status_code == 409
    assert b"The answer would be too long for the workflow." in answer.content
    assert not Decision.objects.exists()


# --- choices ---


def test_each_choice_is_a_button_with_its_own_output(web: Client) -> None:
    task = task_for(GateFactory(groups=[TEAM], choices=CHOICES))
    page = web.get(f"/tasks/{task.pk}/").content.decode()
    assert [one in page for one in ("Pay all", "Pay half", "Report fraud")] == [True] * 3
    assert page.count('data-key="a"') == page.count('data-key="r"') == 1
    assert b"Pay half?" in web.get(url(task, "?verdict=approve&choice=half")).content
    web.post(url(task), {"verdict": "approve", "choice": "half"})
    output = output_of(task)
    assert (output["choice"], output["output"]) == ("half", {"share": 0.5})
    assert b"Chose <strong>Pay half</strong>" in web.get(f"/tasks/{task.pk}/").content


def test_each_choice_says_what_it_leads_to(web: Client, bob: User) -> None:
    UserFactory(groups=[TEAM])
    UserFactory(groups=[TEAM])
    task = task_for(GateFactory(groups=[TEAM], choices=CHOICES, quorum=2, veto=False))
    decide(task.pk, person(bob), Verdict.APPROVE, choice="half", via=Decision.Via.INBOX)
    [half, every, fraud] = [
        web.get(url(task, f"?verdict={verdict}&choice={key}")).content.decode()
        for verdict, key in (("approve", "half"), ("approve", "all"), ("reject", "fraud"))
    ]
    assert "goes on." in half
    assert "more approval" not in half
    assert "1 more approval is needed after yours" in every
    assert "It is rejected once it can’t get its approvals any more." in fraud
    said = web.get(f"/tasks/{task.pk}/").content.decode()
    assert [one in said for one in ("Pay half:", "Pay all:", "Report fraud:")] == [True] * 3


@pytest.mark.parametrize(
    ("verdict", "key"),
    [("approve", ""), ("approve", "fraud"), ("reject", ""), ("approve", "x\0")],
)
def test_a_choice_that_is_not_offered_leads_back_to_the_task(
    web: Client, verdict: str, key: str
) -> None:
    task = task_for(GateFactory(groups=[TEAM], choices=CHOICES))
    for ask in (web.get, web.post):
        answer = ask(url(task), {"verdict": verdict, "choice": key})
        assert answer.status_code == 409
        assert b"This is not among the choices any more." in answer.content
    assert not Decision.objects.exists()


def test_a_choice_can_require_a_reason(web: Client) -> None:
    task = task_for(GateFactory(groups=[TEAM], choices=CHOICES, reason="never"))
    assert web.post(url(task), {"verdict": "reject", "choice": "fraud"}).status_code == 422
    assert web.post(url(task), {"verdict": "approve", "choice": "all"}).status_code == 302


def test_a_message_may_bring_choices_as_texts(gate: Gate, web: Client) -> None:
    task = task_for(gate, choices=["Ship it", {"label": "Not now", "verdict": "reject"}])
    assert [one["key"] for one in task.choices] == ["ship-it", "not-now"]
    web.post(url(task), {"verdict": "approve", "choice": "ship-it"})
    assert output_of(task)["choice"] == "ship-it"


# --- a payload that may be changed ---


@pytest.fixture
def editable(db: None) -> Gate:
    return GateFactory(groups=[TEAM], quorum=2, editable=["/total", "/order/note", "/a~1b", "/no"])


def changed(web: Client, task: ApprovalTask, **values: str) -> Any:
    sent = {"edit-0": "250", "edit-1": "one\r\ntwo", "edit-2": "[1, true]", "seen": digest(task)}
    return web.post(url(task), {"verdict": "approve", **sent, **values})


def test_what_is_changed_is_shown_before_and_after_and_goes_to_the_workflow(
    editable: Gate, web: Client, bob: User, signed_in: SignIn
) -> None:
    task = task_for(editable, input=PAYLOAD)
    page = web.get(url(task, "?verdict=approve")).content.decode()
    assert 'name="edit-0" value="250"' in page
    assert 'name="edit-3"' not in page  # there is no such place
    assert changed(web, task, **{"edit-0": "199.5"}).status_code == 302
    task.refresh_from_db()
    final = PAYLOAD | {"total": 199.5}
    assert (task.payload, task.edited_payload) == (PAYLOAD, final)
    assert Decision.objects.get().edits == [{"path": "/total", "before": 250, "after": 199.5}]
    [event] = AuditEvent.objects.filter(action=AuditEvent.Action.PAYLOAD_CHANGED)
    assert event.data == {"changed": [{"path": "/total", "before": "250", "after": "199.5"}]}
    second = signed_in(bob)
    shown = second.get(f"/tasks/{task.pk}/").content.decode()
    assert "As Alice changed it on approving." in shown
    assert "<del>" in shown
    assert "Alice changed the payload: /total" in shown
    raw = second.get(f"/tasks/{task.pk}/payload.json")
    assert (raw.json(), raw["Countersign-Payload"]) == (final, "as changed by a reviewer")
    assert second.get(f"/tasks/{task.pk}/payload.json?as=sent").json() == PAYLOAD
    # Bob approves what Alice made of it, and can't change it under her.
    asked = second.get(url(task, "?verdict=approve")).content.decode()
    assert "edit-0" not in asked
    second.post(url(task), {"verdict": "approve", "seen": digest(task)})
    assert output_of(task)["input"] == final


def test_nothing_touched_is_nothing_changed(editable: Gate, web: Client) -> None:
    task = task_for(editable, input=PAYLOAD)
    assert changed(web, task).status_code == 302
    assert Decision.objects.get().edits == []
    task.refresh_from_db()
    assert task.edited_payload is None


def test_who_has_not_seen_the_change_looks_again(
    editable: Gate, web: Client, alice: User, bob: User, signed_in: SignIn
) -> None:
    task = task_for(editable, input=PAYLOAD)
    before = digest(task)
    changed(web, task, **{"edit-0": "1"})
    for seen in (before, ""):
        answer = signed_in(bob).post(url(task), {"verdict": "approve", "seen": seen})
        assert answer.status_code == 409
        assert b"Alice has changed the payload meanwhile. Look again." in answer.content
    stale = signed_in(bob).get(url(task, f"?verdict=approve&seen={before}"))
    assert (stale.status_code, Decision.objects.count()) == (409, 1)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (PAYLOAD | {"order": {"id": "B-2", "note": "one\r\ntwo"}}, "“/order/id” can't be changed"),
        (PAYLOAD | {"more": 1}, "“/more” can't be changed"),
        (PAYLOAD | {"total": "\0"}, "characters that can't be kept"),
        (PAYLOAD | {"total": float("nan")}, "This is no JSON"),
        (None, "can't be taken away"),
        ([], "can't be changed"),
    ],
)
def test_no_door_changes_what_the_gate_does_not_permit(
    editable: Gate, alice: User, payload: Any, words: str
) -> None:
    task = task_for(editable, input=PAYLOAD)
    with pytest.raises(CannotDecide, match=words):
        decide(
            task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX, payload=payload,
            seen=digest(task),
        )  # fmt: skip
    assert not Decision.objects.exists()


def test_only_the_first_who_approves_changes_it(editable: Gate, alice: User, bob: User) -> None:
    task, other = task_for(editable, input=PAYLOAD), PAYLOAD | {"total": 1}
    with pytest.raises(CannotDecide, match="Only who approves"):
        decide(
            task.pk, person(alice), Verdict.REJECT, via=Decision.Via.INBOX, comment="no",
            payload=other, seen=digest(task),
        )  # fmt: skip
    decide(task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX, payload=UNCHANGED)
    with pytest.raises(CannotDecide, match="Alice has decided on the payload as it is"):
        decide(task.pk, person(bob), Verdict.APPROVE, via=Decision.Via.INBOX, payload=other)


def test_what_is_hidden_stays_hidden_and_unchanged(alice: User, web: Client) -> None:
    gate = GateFactory(groups=[TEAM], editable=[""])
    token = "token-of-this-very-step"
    task = task_for(gate, taskToken=token, input={"at": token, "n": 1})
    text = json.dumps({"at": "something else", "n": 1})
    answer = web.post(url(task), {"verdict": "approve", "edit-0": text, "seen": digest(task)})
    assert answer.status_code == 422
    assert "“/at” is hidden, so it can&#x27;t be changed." in answer.content.decode()
    text = json.dumps({"at": "[task token]", "n": 2})
    web.post(url(task), {"verdict": "approve", "edit-0": text, "seen": digest(task)})
    assert output_of(task)["input"] == {"at": "[task token]", "n": 2}


def test_undoing_the_decision_undoes_its_change(alice: User) -> None:
    task = task_for(GateFactory(groups=[TEAM], editable=["/total"], undo_seconds=60), input=PAYLOAD)
    decide(
        task.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX, seen=digest(task),
        payload=PAYLOAD | {"total": 3},
    )  # fmt: skip
    task.refresh_from_db()
    assert task.edited_payload["total"] == 3
    undo(task.pk, alice)
    task.refresh_from_db()
    assert (task.edited_payload, task.status) == (None, "pending")
