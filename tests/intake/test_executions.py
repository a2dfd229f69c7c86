"""Events about executions: which are news, what is read of them, and what never is."""

import datetime as dt
import json
from typing import Any

import pytest

from approvals.errors import MessageNotUnderstood
from approvals.intake.message import ExecutionNews, IncomingMessage
from approvals.intake.shapes import read

EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:refunds:4711"
STARTED, STOPPED = 1_795_000_000_000, 1_795_000_060_500


def status_event(status: str = "ABORTED", **detail: Any) -> dict[str, Any]:
    """As Step Functions sends it; a field that is None is left out."""
    said = {
        "executionArn": EXECUTION,
        "stateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:refunds",
        "name": "4711",
        "status": status,
        "startDate": STARTED,
        "stopDate": STOPPED,
        "input": '{"card": "4111 1111"}',
        "inputDetails": {"included": True},
        "output": '{"card": "4111 1111"}',
        "redriveCount": 0,
    } | detail
    return {
        "version": "0",
        "id": "c1",
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": "123456789012",
        "time": "2026-11-18T10:27:41Z",
        "region": "eu-west-1",
        "resources": [EXECUTION],
        "detail": {key: value for key, value in said.items() if value is not None},
    }


def in_sns(body: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "0f1a",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:ends",
        "Message": json.dumps(body),
        "Timestamp": "2026-11-18T10:27:41.000Z",
    }


def news(body: Any) -> ExecutionNews:
    found = read(json.dumps(body))
    assert isinstance(found, ExecutionNews)
    return found


def at(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_an_execution_that_ended_is_news(status: str) -> None:
    heard = news(status_event(status))
    assert (heard.execution_id, heard.status, heard.has_ended) == (EXECUTION, status, True)
    assert heard.at == at(STOPPED)


@pytest.mark.parametrize(
    "carried",
    [in_sns, json.dumps, lambda event: json.dumps(in_sns(event))],
)
def test_it_is_understood_bare_in_sns_and_as_text(carried: Any) -> None:
    assert news(carried(status_event())) == news(status_event())


def test_input_and_output_of_the_execution_are_left_behind() -> None:
    assert "4111" not in repr(news(status_event("SUCCEEDED")))


def test_an_execution_that_starts_is_no_redrive() -> None:
    heard = news(status_event("RUNNING", stopDate=None))
    assert (heard.has_ended, heard.redriven, heard.at) == (False, False, at(STARTED))


def test_a_redrive_counts_from_its_own_time() -> None:
    redriven = STOPPED + 90_000
    heard = news(status_event("RUNNING", stopDate=None, redriveCount=1, redriveDate=redriven))
    assert (heard.redriven, heard.at) == (True, at(redriven))


def test_a_redrive_that_does_not_say_when_counts_from_the_event() -> None:
    heard = news(status_event("RUNNING", stopDate=None, redriveCount=1))
    assert heard.at == dt.datetime(2026, 11, 18, 10, 27, 41, tzinfo=dt.UTC)


@pytest.mark.parametrize("status", ["PENDING_REDRIVE", "SOMETHING_NEW"])
def test_a_word_that_tells_nothing_is_neither_an_end_nor_a_mistake(status: str) -> None:
    heard = news(status_event(status))
    assert not heard.has_ended
    assert not heard.redriven


def test_an_end_without_its_time_takes_the_events() -> None:
    for missing in (None, "yesterday", -5, True, 10**30):
        event = status_event(stopDate=missing)
        assert news(event).at == dt.datetime(2026, 11, 18, 10, 27, 41, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "detail",
    [
        {"executionArn": None},
        {"executionArn": ""},
        {"executionArn": 17},
        {"executionArn": "x" * 501},
        {"executionArn": "arn:\x00"},
        {"status": None},
        {"status": ["ABORTED"]},
        {"status": ""},
    ],
)
def test_a_malformed_event_goes_to_quarantine(detail: dict[str, Any]) -> None:
    event = status_event()
    event["detail"] |= detail
    with pytest.raises(MessageNotUnderstood) as caught:
        read(json.dumps(event))
    assert caught.value.code == "bad_event"


def test_an_event_without_any_time_goes_to_quarantine() -> None:
    event = status_event(stopDate=None)
    del event["time"]
    with pytest.raises(MessageNotUnderstood, match="lacks a time"):
        read(json.dumps(event))


@pytest.mark.parametrize(
    "other", [{"source": "shop"}, {"detail-type": "Step Functions Map Run Status Change"}]
)
def test_other_events_are_no_news(other: dict[str, str]) -> None:
    with pytest.raises(MessageNotUnderstood) as caught:
        read(json.dumps(status_event() | other))
    assert caught.value.code == "no_token"


def test_an_event_that_holds_a_task_token_asks_for_something() -> None:
    message = read(json.dumps(status_event(taskToken="token-1")))
    assert isinstance(message, IncomingMessage)
    assert message.token.reveal() == "token-1"


def entered(body: Any) -> dt.datetime | None:
    message = read(json.dumps(body))
    assert isinstance(message, IncomingMessage)
    return message.context.entered_at


def test_when_the_state_was_entered_is_the_latest_that_anything_says() -> None:
    def context(**execution: str) -> dict[str, Any]:
        return {
            "Execution": execution,
            "State": {"EnteredTime": "2026-11-18T09:00:00Z"},
            "Task": {"Token": "token-1"},
        }

    plain = {"taskToken": "token-1"}
    event = status_event() | {"source": "shop", "detail-type": "Approval needed"}
    assert entered(plain) is None
    assert entered({"context": context()}) == dt.datetime(2026, 11, 18, 9, tzinfo=dt.UTC)
    redriven = context(RedriveTime="2026-11-18T10:00:00Z")
    assert entered({"context": redriven}) == dt.datetime(2026, 11, 18, 10, tzinfo=dt.UTC)
    sent = dt.datetime(2026, 11, 18, 10, 27, 41, tzinfo=dt.UTC)
    assert entered(in_sns(plain)) == sent
    assert entered(in_sns({"context": context()})) == sent, "long after: asked anew by a redrive"
    at_once = {"Execution": {}, "Task": {"Token": "token-1"}}
    at_once["State"] = {"EnteredTime": "2026-11-18T10:27:40.5Z"}
    assert entered(in_sns({"context": at_once})) == sent - dt.timedelta(seconds=0.5)
    retried = context() | {"State": {"EnteredTime": "2026-11-18T09:00:00Z", "RetryCount": 1}}
    assert entered(in_sns({"context": retried})) == dt.datetime(2026, 11, 18, 9, tzinfo=dt.UTC)
    assert entered(event | {"detail": plain}) == sent
    assert entered(in_sns(event | {"detail": plain, "time": "2026-11-18T10:00:00Z"})) == (
        dt.datetime(2026, 11, 18, 10, tzinfo=dt.UTC)
    ), "the carrier closest to the workflow knows best"
