"""Every shape of message seen in the wild is understood; what can't be says why."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from approvals.errors import MessageNotUnderstood
from approvals.intake.message import IncomingMessage, Link
from approvals.intake.shapes import read

TOKEN = "AAAAKgAAAAIAAAAAAAAAAZ3x/Q7v+9kLm3zRt5Yw8Bn2Vc6Xq1Pd4Gh0Js/" * 8 + "=="
OTHER_TOKEN = TOKEN.replace("Q7v", "R8w")
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:refunds:order-17"
WORKFLOW = "arn:aws:states:eu-west-1:123456789012:stateMachine:refunds"
CONTEXT = {
    "Execution": {"Id": EXECUTION, "Name": "order-17", "RedriveCount": 0, "New": {"x": 1}},
    "State": {"Name": "Ask", "EnteredTime": "2026-11-22T10:00:00.5Z", "RetryCount": 2},
    "StateMachine": {"Id": WORKFLOW, "Name": "refunds"},
}
ORDER = {"order": 17, "amount": 250.5}


def context_of(token: str) -> dict[str, Any]:
    return {**CONTEXT, "Task": {"Token": token}}


def sns(message: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "0f1a",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:approvals",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-11-22T10:00:00Z",
        "SignatureVersion": "2",
    }


def eventbridge(detail: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "c1",
        "detail-type": "Approval needed",
        "source": "shop",
        "account": "123456789012",
        "resources": [WORKFLOW, EXECUTION],
        "detail": detail,
    }


# Each takes the token and gives a body, so that the property tests can use them as well.
SHAPES: dict[str, Callable[[str], Any]] = {
    "taskToken": lambda token: {"taskToken": token, **ORDER},
    "TaskToken": lambda token: {"TaskToken": token, **ORDER},
    "task_token": lambda token: {"task_token": token, **ORDER},
    "TASK_TOKEN": lambda token: {"TASK_TOKEN": token, **ORDER},
    "token": lambda token: {"token": token, **ORDER},
    "Token": lambda token: {"Token": token, **ORDER},
    "AWS's heartbeat example": lambda token: {"myTaskToken": token, **ORDER},
    "an input beside the token": lambda token: {"input": ORDER, "taskToken": token},
    "Input and TaskToken": lambda token: {"Input": ORDER, "TaskToken": token},
    "a payload beside the token": lambda token: {"payload": ORDER, "taskToken": token},
    "$ and $$ passed whole": lambda token: {"input": ORDER, "context": context_of(token)},
    "Input and Context": lambda token: {"Input": ORDER, "Context": context_of(token)},
    "ExecutionContext": lambda token: {"ExecutionContext": context_of(token), **ORDER},
    "the context object alone": lambda token: {
        **context_of(token),
        "Execution": {**CONTEXT["Execution"], "Input": ORDER},
    },
    "the same token twice": lambda token: {
        "taskToken": token,
        "input": ORDER,
        "context": context_of(token),
    },
    "CloudFlow's context": lambda token: {"context": {"task": {"token": token}}, **ORDER},
    "SNS": lambda token: sns({"taskToken": token, **ORDER}),
    "SNS as text inside a string": lambda token: json.dumps(sns({"taskToken": token, **ORDER})),
    "EventBridge": lambda token: eventbridge({"taskToken": token, **ORDER}),
    "EventBridge with its detail as text": lambda token: eventbridge(
        json.dumps({"taskToken": token, **ORDER})
    ),
    "EventBridge within SNS": lambda token: sns(eventbridge({"TaskToken": token, "Input": ORDER})),
    "$$ within SNS": lambda token: sns({"input": ORDER, "context": context_of(token)}),
    "JSON text inside a string": lambda token: json.dumps({"taskToken": token, **ORDER}),
}


def read_value(value: Any) -> IncomingMessage:
    return read(json.dumps(value))


def refusal(body: Any) -> MessageNotUnderstood:
    with pytest.raises(MessageNotUnderstood) as caught:
        read(body if isinstance(body, str | bytes) else json.dumps(body))
    assert str(caught.value).endswith((".", "?"))
    return caught.value


@pytest.mark.parametrize("shape", SHAPES)
def test_the_token_is_found_and_the_input_shown(shape: str) -> None:
    message = read_value(SHAPES[shape](TOKEN))
    assert message.token.reveal() == TOKEN
    assert message.input == ORDER


def test_aws_sqs_example_takes_its_message_as_the_title() -> None:
    message = read_value({"Message": "Ship order 17?\nIt is large.", "TaskToken": TOKEN})
    assert message.token.reveal() == TOKEN
    assert message.title == "Ship order 17?"
    assert message.input == {"Message": "Ship order 17?\nIt is large."}


@pytest.mark.parametrize(
    "key",
    ["csrfToken", "accessToken", "nextToken", "idToken", "tokens", "taskTokenHint", "xTaskToken"],
)
def test_a_field_that_merely_sounds_like_a_token_is_never_taken(key: str) -> None:
    assert refusal({key: TOKEN}).code == "no_token"
    assert read_value({key: "other", "taskToken": TOKEN}).input == {key: "other"}


def test_a_bare_token_gives_way_to_a_task_token() -> None:
    message = read_value({"token": "some session", "taskToken": TOKEN, "a": 1})
    assert message.token.reveal() == TOKEN
    assert message.input == {"a": 1}


def test_a_parent_workflows_token_in_the_input_is_neither_taken_nor_shown() -> None:
    inner = {"taskToken": OTHER_TOKEN, "Task": {"Token": OTHER_TOKEN}, "a": 1}
    message = read_value({"input": inner, "context": context_of(TOKEN)})
    assert message.token.reveal() == TOKEN
    assert message.input == {
        "taskToken": "[task token]",
        "Task": {"Token": "[task token]"},
        "a": 1,
    }


@pytest.mark.parametrize(
    "body",
    [
        {"taskToken": TOKEN, "task_token": OTHER_TOKEN},
        {"taskToken": TOKEN, "context": context_of(OTHER_TOKEN)},
        {"context": context_of(TOKEN), "ExecutionContext": context_of(OTHER_TOKEN)},
        {"token": TOKEN, "Token": OTHER_TOKEN},
    ],
)
def test_two_different_tokens_are_refused(body: Any) -> None:
    assert refusal(body).code == "several_tokens"


@pytest.mark.parametrize(
    "token",
    ["", " ", "a b", "a\nb", "a\x00b", "a\ud800b", "a\u00a0b", "a\u200bb", "x" * 2_049, 5, {}, []],
)
def test_what_cannot_be_a_token_is_refused(token: Any) -> None:
    problem = refusal({"taskToken": token})
    assert problem.code == "bad_token"


def test_a_token_of_the_longest_length_is_taken() -> None:
    assert read_value({"taskToken": "x" * 2_048}).token.reveal() == "x" * 2_048


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "empty"),
        (b" \n", "empty"),
        ("hello", "not_json"),
        ('{"taskToken": "abc"', "not_json"),
        ('{"taskToken": "abc"} x', "not_json"),
        ('{"taskToken": "abc", "n": NaN}', "not_json"),
        ('{"taskToken": "abc", "n": -Infinity}', "not_json"),
        ("{'taskToken': 'abc'}", "not_json"),
        (b"\xff\xfe{", "not_text"),
        ("[1]", "not_object"),
        ("5", "not_object"),
        ("null", "not_object"),
        ('"just text"', "not_json"),
        ("{}", "no_token"),
        ('{"taskToken": null}', "no_token"),
        ('{"taskToken": "abc", "taskToken": "abd"}', "duplicate_key"),
        ('{"taskToken": "abc", "input": {"amount": 1, "amount": 900}}', "duplicate_key"),
        ('{"taskToken": "abc", "a": "' + "x" * 1_048_576 + '"}', "too_large"),
        ('{"taskToken": "abc", "a": ' + "[" * 50 + "]" * 50 + "}", "too_deep"),
        ("[" * 100_000, "too_deep"),
        ('{"a":' * 100_000, "too_deep"),
        (json.dumps(sns("approve, please")), "not_json"),
    ],
)
def test_what_is_no_message_is_refused_with_its_reason(body: str | bytes, code: str) -> None:
    assert refusal(body).code == code


def test_a_confirmation_of_sns_is_not_taken_for_a_task() -> None:
    body = {**sns("You have chosen…"), "Type": "SubscriptionConfirmation", "Token": "2336412f37"}
    assert refusal(body).code == "not_a_notification"


def test_endless_wrapping_is_refused() -> None:
    body: Any = {"taskToken": TOKEN}
    for _ in range(7):
        body = eventbridge(body)
    assert refusal(body).code == "too_many_envelopes"


def test_brackets_within_text_are_no_depth() -> None:
    text = '[{"\\' * 200
    assert read_value({"taskToken": TOKEN, "a": text}).input == {"a": text}


def test_bytes_with_a_byte_order_mark_are_read() -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"taskToken": TOKEN}).encode()
    assert read(body).token.reveal() == TOKEN


def test_numbers_that_would_lose_digits_stay_as_they_were_written() -> None:
    digits = "9" * 5_000
    body = f'{{"taskToken": "abc", "a": 1e999, "b": {digits}, "c": 12345678901234567.89, "d": 1.5}}'
    assert read(body).input == {"a": "1e999", "b": digits, "c": "12345678901234567.89", "d": 1.5}


def test_what_the_database_refuses_is_replaced() -> None:
    body = r'{"taskToken": "abc", "title": "a\u0000b", "k\ud800": ["\udfff\u0000", "\ud83d\ude00"]}'
    message = read(body)
    assert message.title == "a\ufffdb"
    assert message.input == {"k\ufffd": ["\ufffd\ufffd", "😀"]}


def test_canonical_fields_are_read_and_leave_the_input() -> None:
    message = read_value(
        {
            "taskToken": TOKEN,
            "title": "Refund\n 250 EUR",
            "summary": "**Order 17**\n\nbroken",
            "gate": "refunds",
            "requestedBy": "alice@example.org",
            "links": [{"title": "Order", "url": "https://shop.example/17"}, "http://a.example/x"],
            "heartbeatSeconds": "60",
            "timeoutSeconds": 3600.0,
            "deadline": "2026-11-22T18:00:00+01:00",
            "dedupeKey": 17,
            **ORDER,
        }
    )
    assert message.title == "Refund 250 EUR"
    assert message.summary == "**Order 17**\n\nbroken"
    assert message.gate == "refunds"
    assert message.requested_by == "alice@example.org"
    assert message.links == (
        Link("Order", "https://shop.example/17"),
        Link("http://a.example/x", "http://a.example/x"),
    )
    assert message.heartbeat_seconds == 60
    assert message.timeout_seconds == 3600
    assert message.deadline == datetime(2026, 11, 22, 17, tzinfo=UTC)
    assert message.dedupe_key == "17"
    assert message.input == ORDER


@pytest.mark.parametrize("key", ["requestedBy", "RequestedBy", "requested_by", "REQUESTED_BY"])
def test_fields_are_understood_in_any_spelling(key: str) -> None:
    assert read_value({"taskToken": TOKEN, key: "alice"}).requested_by == "alice"


def test_fields_within_the_input_count_and_stay_visible_there() -> None:
    inner = {"gate": "refunds", "title": "Refund 5", "deeper": {"summary": "not looked at"}}
    message = read_value({"input": inner, "context": context_of(TOKEN)})
    assert (message.gate, message.title, message.summary) == ("refunds", "Refund 5", "")
    assert message.input == inner


def test_the_top_level_goes_before_the_input() -> None:
    message = read_value({"taskToken": TOKEN, "gate": "outer", "input": {"gate": "inner"}})
    assert message.gate == "outer"
    assert message.input == {"gate": "inner"}


def test_blank_fields_count_as_absent() -> None:
    blank = dict.fromkeys(["title", "deadline", "heartbeatSeconds", "links"]) | {"gate": ""}
    blank |= dict.fromkeys(["reviewers", "form", "choices"])
    message = read_value({"taskToken": TOKEN, **blank, "input": {"gate": "refunds"}})
    assert message.gate == "refunds"
    assert message.input == {"gate": "refunds"}


def test_neighbours_of_the_input_stay_visible() -> None:
    message = read_value({"taskToken": TOKEN, "title": "T", "input": {"a": 1}, "amount": 900})
    assert message.input == {"input": {"a": 1}, "amount": 900}


def test_an_input_that_is_no_object_stays_visible() -> None:
    message = read_value({"taskToken": TOKEN, "Input": "order 17", "context": "urgent"})
    assert message.input == {"Input": "order 17", "context": "urgent"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gate", "no such thing!"),
        ("gate", 5),
        ("gate", ["refunds"]),
        ("gate", "g" * 61),
        ("gate", TOKEN),
        ("requestedBy", {"name": "alice"}),
        ("requestedBy", "a" * 255),
        ("requestedBy", True),
        ("heartbeatSeconds", 0),
        ("heartbeatSeconds", -1),
        ("heartbeatSeconds", True),
        ("heartbeatSeconds", 1.5),
        ("heartbeatSeconds", "60s"),
        ("heartbeatSeconds", "٦٠"),
        ("heartbeatSeconds", 31_536_001),
        ("timeoutSeconds", []),
        ("timeoutSeconds", 10**600),
        ("deadline", "tomorrow"),
        ("deadline", "2026-11-22"),
        ("deadline", 1795341600),
        ("deadline", "0001-01-01T00:00:00+14:00"),
        ("deadline", "9999-12-31T23:59:59Z"),
        ("dedupeKey", "k" * 201),
        ("dedupeKey", {}),
    ],
)
def test_a_wrong_field_that_bears_on_the_decision_is_refused_by_name(
    field: str, value: Any
) -> None:
    problem = refusal({"taskToken": TOKEN, field: value})
    assert problem.code == "bad_field"
    assert field in str(problem)
    assert TOKEN not in str(problem)


def test_a_deadline_in_the_input_that_is_no_time_is_the_workflows_own_data() -> None:
    message = read_value({"taskToken": TOKEN, "input": {"deadline": "2026-12-01"}})
    assert message.deadline is None
    assert message.input == {"deadline": "2026-12-01"}


def test_a_deadline_without_an_offset_is_utc() -> None:
    message = read_value({"taskToken": TOKEN, "deadline": "2026-11-22 17:00"})
    assert message.deadline == datetime(2026, 11, 22, 17, tzinfo=UTC)


def test_what_is_only_shown_is_cut_or_left_out_and_stays_in_the_input() -> None:
    long = "word " * 60
    message = read_value({"taskToken": TOKEN, "title": long, "summary": ["a"], "links": 5})
    assert len(message.title) <= 200
    assert message.title.endswith("…")
    assert message.summary == ""
    assert message.links == ()
    assert message.input == {"title": long, "summary": ["a"], "links": 5}


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://a.example/",
        "//a.example/",
        "/relative",
        "https://",
        "https://bank.example@evil.example/",
        "https://a.example/\nx",
        "https://a.example/x y",
        "https://a.example\\@evil.example/",
        "https://[::1",
        "https://a.example:99999/",
        "https://a.example/" + "x" * 2_000,
        f"https://a.example/?token={TOKEN}",
        5,
        None,
    ],
)
def test_a_link_that_is_unsafe_to_press_is_left_out(url: Any) -> None:
    links = [{"title": "Bad", "url": url}, {"title": "Good", "url": "https://good.example/"}]
    message = read_value({"taskToken": TOKEN, "links": links})
    assert [link.title for link in message.links] == ["Good"]


def test_at_most_twenty_links_are_kept() -> None:
    links = [f"https://a.example/{number}" for number in range(30)]
    assert len(read_value({"taskToken": TOKEN, "links": links}).links) == 20


def test_a_title_cannot_pose_as_another_by_turning_its_direction() -> None:
    message = read_value({"taskToken": TOKEN, "title": "pay \u202e001\x1b[0m"})
    assert message.title == "pay \ufffd001\ufffd[0m"


def test_the_context_is_read() -> None:
    context = read_value({"input": {}, "context": context_of(TOKEN)}).context
    assert context.execution_id == EXECUTION
    assert context.execution_name == "order-17"
    assert context.workflow_id == WORKFLOW
    assert context.workflow == "refunds"
    assert context.state == "Ask"
    assert context.entered_at == datetime(2026, 11, 22, 10, 0, 0, 500_000, tzinfo=UTC)
    assert context.retry_count == 2


@pytest.mark.parametrize("odd", [None, 5, "text", [], {}, {"Id": 5, "Name": ["x"]}, {"Name": "\n"}])
def test_a_malformed_context_stays_blank(odd: Any) -> None:
    parts = {
        "Execution": odd,
        "StateMachine": odd,
        "State": {"Name": odd, "EnteredTime": odd, "RetryCount": odd if odd != 5 else -5},
    }
    message = read_value({"taskToken": TOKEN, "context": parts})
    assert message.context.execution_id == message.context.workflow == ""
    assert message.context.entered_at is None
    assert message.context.retry_count == 0


def test_eventbridge_says_which_execution_it_is_about() -> None:
    message = read_value(eventbridge({"taskToken": TOKEN}))
    assert message.context.execution_id == EXECUTION
    assert message.context.execution_name == "order-17"
    assert message.context.workflow_id == WORKFLOW
    assert message.context.workflow == "refunds"


def test_a_message_without_a_title_is_called_after_its_step() -> None:
    assert read_value({"input": {}, "context": context_of(TOKEN)}).title == "Ask in refunds"
    assert read_value({"taskToken": TOKEN}).title == ""


def test_the_message_does_not_print_its_token() -> None:
    assert TOKEN not in repr(read_value({"taskToken": TOKEN, "note": f"call back with {TOKEN}"}))
