"""A source's own expressions find the parts of a message in shapes that nobody has seen before."""

import json
import time
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from approvals.engines.base import Handle
from approvals.errors import MessageNotUnderstood
from approvals.intake.accept import accept
from approvals.intake.expressions import MAX_LENGTH, BadExpression, Evaluation
from approvals.intake.mapping import FIELDS
from approvals.intake.message import IncomingMessage
from approvals.intake.shapes import read
from approvals.models import ApprovalTask, QuarantinedMessage
from tests.factories import SourceFactory
from tests.intake.test_shapes import CONTEXT, EXECUTION, OTHER_TOKEN, TOKEN, context_of, sns

# One that a ticket system of somebody's own might send.
TICKET = {
    "ticket": {
        "subject": {"de": "Gutschrift 17", "en": "Refund 17"},
        "opened_by": {"mail": "dora@example.com"},
        "tags": [{"k": "gate", "v": "refunds"}, {"k": "due", "v": "2027-01-02T03:04:05Z"}],
        "refs": [{"label": "Order", "href": "https://example.com/17"}],
        "facts": {"amount": 250.5},
    },
    "answer": {"to": {"handle": TOKEN}},
    "version": 3,
}
MAPPING = {
    "token": "answer.to.handle",
    "title": "ticket.subject.en",
    "summary": "join(' ', ['Amount:', to_string(ticket.facts.amount)])",
    "requestedBy": "ticket.opened_by.mail",
    "gate": "ticket.tags[?k=='gate'].v | [0]",
    "deadline": "ticket.tags[?k=='due'].v | [0]",
    "links": "ticket.refs[].{title: label, url: href}",
}


def understood(body: Any, mapping: Any, handle: Handle = Handle.TOKEN) -> IncomingMessage:
    message = read(json.dumps(body), handle, mapping)
    assert isinstance(message, IncomingMessage)
    return message


def refused(body: Any, mapping: Any, handle: Handle = Handle.TOKEN) -> MessageNotUnderstood:
    with pytest.raises(MessageNotUnderstood) as caught:
        read(json.dumps(body), handle, mapping)
    return caught.value


def test_a_shape_that_nobody_has_seen_is_understood():
    message = understood(TICKET, MAPPING)
    assert message.token.reveal() == TOKEN
    assert message.title == "Refund 17"
    assert message.summary == "Amount: 250.5"
    assert (message.requested_by, message.gate) == ("dora@example.com", "refunds")
    assert message.deadline.isoformat() == "2027-01-02T03:04:05+00:00"
    assert [(link.title, link.url) for link in message.links] == [
        ("Order", "https://example.com/17")
    ]


def test_what_is_not_mapped_stays_visible_with_the_token_masked():
    shown = understood(TICKET, MAPPING).input
    assert shown["ticket"] == TICKET["ticket"]
    assert shown["version"] == 3
    assert shown["answer"] == {"to": {"handle": "[task token]"}}


def test_a_mapped_input_is_all_that_a_reviewer_sees():
    message = understood(TICKET, MAPPING | {"input": "ticket.facts"})
    assert message.input == {"amount": 250.5}
    assert message.title == "Refund 17"


@pytest.mark.parametrize("kept", [[1, {"a": TOKEN}], "a text", 5])
def test_an_input_of_another_kind_than_an_object_is_shown_too(kept):
    message = understood({"t": TOKEN, "kept": kept, "rest": 1}, {"token": "t", "input": "kept"})
    assert message.input == {"input": json.loads(json.dumps(kept).replace(TOKEN, "[task token]"))}


def test_seconds_a_key_and_an_execution_can_be_mapped():
    body = {"t": TOKEN, "wait": {"beat": 60, "all": 3600}, "nr": 17, "run": EXECUTION}
    mapping = {
        "token": "t",
        "heartbeatSeconds": "wait.beat",
        "timeoutSeconds": "wait.all",
        "dedupeKey": "nr",
        "executionId": "run",
    }
    message = understood(body, mapping)
    assert (message.heartbeat_seconds, message.timeout_seconds) == (60, 3600)
    assert message.dedupe_key == "17"
    assert message.context.execution_id == EXECUTION
    assert message.context.workflow == "refunds"


def test_an_expression_that_gives_null_leaves_the_field_to_the_message():
    body = {"taskToken": TOKEN, "title": "As it says", "gate": "refunds", "context": CONTEXT}
    mapping = dict.fromkeys(FIELDS, "nothing.here")
    message = understood(body, mapping)
    assert message == understood(body, {})
    assert (message.title, message.gate) == ("As it says", "refunds")
    assert message.context.execution_id == EXECUTION


def test_a_field_that_is_something_else_in_the_message_stays_visible():
    body = {"taskToken": TOKEN, "title": {"en": "Refund 17", "de": "Gutschrift 17"}}
    message = understood(body, {"title": "title.en"})
    assert message.title == "Refund 17"
    assert message.input == {"title (as sent)": {"en": "Refund 17", "de": "Gutschrift 17"}}


@pytest.mark.parametrize(
    "other",
    [
        {"taskToken": OTHER_TOKEN},
        {"my_task_token": OTHER_TOKEN, "token": OTHER_TOKEN},
        {"context": context_of(OTHER_TOKEN)},
        context_of(OTHER_TOKEN),
        {"context": {"execution": {"name": "e"}, "current": {"taskToken": OTHER_TOKEN}}},
    ],
)
def test_the_mapping_says_which_of_two_tokens_waits(other):
    message = understood({**other, "ours": TOKEN}, {"token": "ours"})
    assert message.token.reveal() == TOKEN
    assert OTHER_TOKEN not in json.dumps(message.input)


def test_without_a_token_in_the_mapping_two_are_still_refused():
    body = {"taskToken": TOKEN, "context": context_of(OTHER_TOKEN)}
    assert refused(body, {"title": "x"}).code == "several_tokens"


def test_what_the_context_says_is_kept_beside_a_mapped_token():
    message = understood({"context": context_of(OTHER_TOKEN), "ours": TOKEN}, {"token": "ours"})
    assert (message.context.execution_id, message.context.state) == (EXECUTION, "Ask")


def test_a_bare_context_stays_one_when_its_token_is_mapped():
    context = {"execution": {"name": "order-17"}, "current": {"taskToken": OTHER_TOKEN}}
    for token, expression in ((OTHER_TOKEN, "current.taskToken"), (TOKEN, "ours")):
        message = understood({**context, "ours": TOKEN}, {"token": expression})
        assert message.token.reveal() == token
        assert message.context.execution_name == "order-17"
        assert OTHER_TOKEN not in json.dumps(message.input)


def test_envelopes_are_opened_first():
    event = {
        "source": "tickets",
        "detail-type": "Opened",
        "resources": [EXECUTION],
        "detail": TICKET,
    }
    for body in (sns(TICKET), sns(event), event):
        message = understood(body, MAPPING)
        assert (message.token.reveal(), message.title) == (TOKEN, "Refund 17")


def test_an_address_that_takes_the_answer_can_be_mapped():
    body = {"hook": {"url": "https://example.com/resume/1"}, "title": "x", "callbackUrl": "old"}
    message = understood(body, {"token": "hook.url"}, Handle.URL)
    assert message.token.reveal() == "https://example.com/resume/1"


HERE, ELSEWHERE = "https://example.com/resume/1234567890", "https://example.com/elsewhere/12345"


@pytest.mark.parametrize(
    "other", [{"callbackUrl": ELSEWHERE}, {"callback": {"url": ELSEWHERE, "note": "x"}}]
)
@pytest.mark.parametrize("more", [{}, {"input": "facts"}])
def test_the_mapping_says_which_of_two_addresses_waits(other, more):
    body = {**other, "ours": HERE, "facts": {"amount": 1}}
    message = understood(body, {"token": "ours", **more}, Handle.URL)
    assert message.token.reveal() == HERE
    assert ELSEWHERE not in json.dumps(message.input)


def test_the_message_own_address_counts_where_none_is_mapped():
    body = {"callback": {"url": HERE, "note": "x"}, "facts": {"amount": 1}, "rest": 2}
    message = understood(body, {"input": "facts"}, Handle.URL)
    assert message.token.reveal() == HERE
    assert message.input == {"amount": 1}


def test_an_address_is_data_where_the_engine_waits_for_a_token():
    body = {"t": TOKEN, "callbackUrl": ELSEWHERE, "facts": {"amount": 1}}
    assert understood(body, {"token": "t"}).input["callbackUrl"] == ELSEWHERE
    assert understood(body, {"token": "t", "input": "facts"}).input == {"amount": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [("gate", {"a": 1}), ("deadline", "tomorrow"), ("timeoutSeconds", "long"), ("dedupeKey", [])],
)
def test_what_an_expression_gives_has_to_fit_its_field(field, value):
    problem = refused({"taskToken": TOKEN, "here": value}, {field: "here"})
    assert problem.code == "bad_field"
    assert field in str(problem)


@pytest.mark.parametrize("value", [None, 7, "", {"a": 1}, "two words"])
def test_a_token_that_is_none_is_not_taken(value):
    assert refused({"here": value}, {"token": "here"}).code in ("no_token", "bad_token")


@pytest.mark.parametrize(
    "expression",
    ["sum(secret)", "secret < `5`", "to_number('1e999')", "max_by(list, &a)", "list[::0]"],
)
def test_an_expression_that_does_not_fit_names_the_field_and_no_value(expression):
    body = {"taskToken": TOKEN, "secret": "the-value", "list": [{"a": {}}]}
    problem = refused(body, {"title": expression})
    assert problem.code == "bad_mapping"
    assert "“title”" in str(problem)
    assert "the-value" not in str(problem)
    assert problem.__context__ is None or problem.__suppress_context__


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"tittle": "x"}, "tittle: there is no such field"),
        ({"title": 5}, "title: the expression has to be a text"),
        ({"title": ""}, "title: the expression is empty"),
        ({"title": "a.["}, "title: it can't be read at character"),
        ({"title": "nothing(a)"}, "title: there is no function nothing()"),
        ({"title": "length(a, b)"}, "title: length() takes 1, not 2"),
        ({"title": "[&a]"}, "title: & stands only in"),
        ({"title": "a" * (MAX_LENGTH + 1)}, "title: the expression is longer than 1,000"),
        ({"title": "[" * 400}, "title: it is nested too deep"),
        ({"title": "a" + "|a" * 60}, "title: it is nested too deep"),
        ({"title": "a", "gate": "b.", "links": 1}, "gate: "),
        (["title"], "has to be a JSON object"),
        ("title", "has to be a JSON object"),
    ],
)
def test_a_mapping_that_can_not_be_followed_is_not_saved(db, mapping, said):
    source = SourceFactory()
    source.mapping = mapping
    with pytest.raises(ValidationError) as caught:
        source.full_clean()
    assert said in " ".join(caught.value.message_dict["mapping"])
    assert refused({"taskToken": TOKEN}, mapping).code == "bad_mapping"


# About 256 KiB, the most that a webhook takes.
LARGE = {
    "list": [{"x": i, "s": "y" * 4, "n": [1, 2]} for i in range(5_500)],
    "text": "z" * 40_000,
}


@pytest.mark.parametrize(
    "expression",
    [
        "|".join(["[@,@]"] * 40),
        "|".join(["[@,@][]"] * 40),
        "|".join(["[@,@]"] * 40) + "|to_string(@)",
        "|".join(["[@,@]"] * 40) + "|[@[0]==@[1]]",
        "|".join(["{a:@,b:@}"] * 40) + "|to_string(@)",
        "[" + ",".join(["text"] * 190) + "]|[@,@,@,@,@,@][]|join('',@)",
        "[" + ",".join(["list"] * 190) + "]|[*][::-1]|[@,@,@,@][]|[@,@,@,@][]",
        "[" + ",".join(["list"] * 190) + "]|[*].map(&to_string(@),@)",
        "list[?@==@]|[?@==@]|[?contains([@],@)]|[?to_string(@)!='']",
        "list[*].[x,x,x,x][].[@,@,@][].[@,@,@][].[@,@,@][]",
        "join(text, list[*].s)",
    ],
)
def test_no_expression_hangs_on_a_large_message(expression):
    assert 240_000 < len(json.dumps(LARGE)) < 262_144
    began = time.perf_counter()
    with pytest.raises(BadExpression, match="more work"):
        Evaluation().of(expression, LARGE)
    assert time.perf_counter() - began < 5  # 0.05 s on a machine that does nothing else


def test_the_expressions_of_one_mapping_share_what_they_may_cost():
    began = time.perf_counter()
    mapping = dict.fromkeys(FIELDS, "list[?to_string(@)!='']|[0]")
    assert "more work" in str(refused({"taskToken": TOKEN, **LARGE}, mapping))
    assert time.perf_counter() - began < 5


def test_ordinary_expressions_work_on_a_large_message():
    mapping = {"token": "taskToken", "title": "list[?x==`5000`].s | [0]", "input": "list[:10]"}
    message = understood({"taskToken": TOKEN, **LARGE}, mapping)
    assert message.title == "yyyy"
    assert len(message.input["input"]) == 10


def test_messages_of_a_source_with_a_mapping_become_tasks(gate):
    source = SourceFactory(mapping=MAPPING, gate=gate)
    [acceptance] = accept(source, [json.dumps(TICKET)])
    task = ApprovalTask.objects.get(pk=acceptance.task_id)
    assert (task.title, task.gate, task.requested_by) == ("Refund 17", gate, "dora@example.com")
    assert task.token.reveal() == TOKEN


def test_a_mapping_that_does_not_fit_holds_the_message_with_its_reason(gate):
    source = SourceFactory(mapping={"title": "sum(ticket)", "token": "answer.to.handle"}, gate=gate)
    accept(source, [json.dumps(TICKET)])
    held = QuarantinedMessage.objects.get()
    assert held.code == "bad_mapping"
    assert "“title”" in held.reason
