"""Messages of what waits on HTTP: the address is found, kept secret, and goes where it may."""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from django.core.exceptions import ValidationError

from approvals.callbacks.deliver import deliver
from approvals.callbacks.reconcile import reconcile
from approvals.decisions.decide import decide
from approvals.decisions.expire import expire_due
from approvals.engines.base import Handle
from approvals.errors import MessageNotUnderstood
from approvals.intake.accept import accept
from approvals.intake.masking import MASK, Mask, masked
from approvals.intake.shapes import read
from approvals.models import (
    ApprovalTask,
    AuditEvent,
    Callback,
    Connection,
    Decision,
    Gate,
    Heartbeat,
    QuarantinedMessage,
    Source,
)
from approvals.states import CallbackStatus, Verdict
from approvals.tokens import TaskToken
from tests.conftest import person
from tests.engines.waiting_on_http import (  # noqa: F401 - fixtures
    HOST,
    authority,
    names,
    server,
    token_at,
    trusted,
)
from tests.factories import ConnectionFactory, SourceFactory
from tests.fakes.waiting_server import Reply

GOOGLE = (
    "https://workflowexecutions.googleapis.com/v1/projects/12/locations/europe-west1/workflows"
    "/refunds/executions/1b9d-4c/callbacks/7f3e_a1"
)
LOGIC_APPS = (
    "https://prod-12.westeurope.logic.azure.com:443/workflows/0f5a/runs/0858/actions/Ask/run"
    "?api-version=2016-10-01&sp=%2Fruns%2Fcontents&sv=1.0&sig=Wm9ycm8tc2lnbmF0dXJl-x_Y7kQ2"
)
N8N = "https://n8n.example/webhook-waiting/4711?signature=9f86d081884c7d659a2feaa0c55ad015"
ORDER = {"order": 17, "amount": 250}

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "Google, the address": (GOOGLE, {"callback_url": GOOGLE, "input": ORDER}),
    "Google, the object": (GOOGLE, {"callback": {"url": GOOGLE}, **ORDER}),
    "Google, its variable": (GOOGLE, {"callback_details": {"url": GOOGLE}, **ORDER}),
    "Logic Apps": (LOGIC_APPS, {"callbackUrl": LOGIC_APPS, "title": "Refund", **ORDER}),
    "n8n": (N8N, {"resumeUrl": N8N, "title": "Refund", "input": ORDER}),
}


@pytest.fixture
def source(db: None, gate: Gate) -> Source:
    hosts = "workflowexecutions.googleapis.com\n*.logic.azure.com\nn8n.example"
    connection = ConnectionFactory(kind="callback_url", hosts=hosts)
    return SourceFactory(connection=connection, gate=gate)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_message_with_an_address_becomes_a_task_that_does_not_show_it(
    source: Source, shape: str
) -> None:
    url, body = SHAPES[shape]
    body["summary"] = f"Answer at {url} or press [here]({url}&approved=true)."
    body["links"] = [{"title": "Approve", "url": url}, "https://shop.example/17"]
    [acceptance] = accept(source, [json.dumps(body)])
    task = ApprovalTask.objects.get(pk=acceptance.task_id)
    assert task.token.reveal() == url
    assert task.payload == ORDER
    assert task.summary == f"Answer at {MASK} or press [here]({MASK}&approved=true)."
    assert [link["url"] for link in task.links] == ["https://shop.example/17"]
    assert not Heartbeat.objects.exists(), "there is nobody to ask"


@pytest.mark.parametrize(
    "written",
    [
        N8N,
        quote(N8N),
        quote(N8N, safe=""),
        N8N.replace("/", "\\/"),
        b64encode(N8N.encode()).decode(),
        N8N.removeprefix("https://n8n.example"),
        N8N.replace("https", "http").replace("example/", "example:443/"),
        "https://n8n.example/webhook-waiting/4711?approved=true&signature="
        "9f86d081884c7d659a2feaa0c55ad015",
        "9f86d081884c7d659a2feaa0c55ad015",
    ],
)
def test_neither_the_address_nor_its_signature_is_shown_in_any_writing(written: str) -> None:
    shown = Mask(TaskToken(N8N), Handle.URL).text(f"see {written}")
    assert MASK in shown
    assert "9f86d081884c7d65" not in shown


def test_an_address_with_ampersands_is_found_in_html() -> None:
    mask = Mask(TaskToken(LOGIC_APPS), Handle.URL)
    assert mask.text(f"<a href='{LOGIC_APPS.replace('&', '&amp;')}'>") == f"<a href='{MASK}'>"
    assert (
        mask.text("api-version=2016-10-01 of /workflows") == "api-version=2016-10-01 of /workflows"
    )


def test_other_steps_addresses_in_the_input_are_hidden_by_their_names(source: Source) -> None:
    inner = {
        "callbackUrl": N8N + "1",
        "callback": {"url": N8N + "2", "id": 5},
        "url": "https://a.b/",
    }
    [acceptance] = accept(source, [json.dumps({"callbackUrl": N8N, "input": inner})])
    task = ApprovalTask.objects.get(pk=acceptance.task_id)
    assert task.payload == {
        "callbackUrl": MASK,
        "callback": {"url": MASK, "id": 5},
        "url": "https://a.b/",
    }


def test_a_callback_object_that_says_more_stays_without_its_address(source: Source) -> None:
    body = {"callback": {"url": N8N, "team": "Payments"}, "amount": 5}
    [acceptance] = accept(source, [json.dumps(body)])
    task = ApprovalTask.objects.get(pk=acceptance.task_id)
    assert task.payload == {"callback": {"url": MASK, "team": "Payments"}, "amount": 5}


def test_an_address_beside_a_task_token_is_data_like_any_other() -> None:
    body = {
        "taskToken": "the-token-of-a-step",
        "callbackUrl": "https://shop.example/hook",
        "resumeUrl": "https://shop.example/resume",
        "callback": {"url": "https://shop.example/17"},
    }
    message = read(json.dumps(body), Handle.TOKEN)
    assert not hasattr(message, "has_ended")
    assert message.input == {key: value for key, value in body.items() if key != "taskToken"}


def test_a_mapping_says_which_of_several_addresses_waits() -> None:
    body = {"hook": {"to": N8N}, "callback": {"url": GOOGLE, "team": "Payments"}, "order": ORDER}
    message = read(json.dumps(body), Handle.URL, {"token": "hook.to"})
    assert message.token.reveal() == N8N
    # The mapped one stands in the place of the other, masked.
    callback = {"url": MASK, "team": "Payments"}
    assert message.input == {"hook": {"to": MASK}, "callback": callback, "order": ORDER}
    message = read(json.dumps(body), Handle.URL, {"input": "order"})
    assert message.token.reveal() == GOOGLE
    body = {"taskToken": "the-token-of-a-step", "callbackUrl": N8N, "order": ORDER}
    assert read(json.dumps(body), Handle.TOKEN, {"input": "order"}).input == ORDER


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"title": "no address"}, "no_token"),
        ({"taskToken": "abc"}, "no_token"),
        ({"callbackUrl": 5}, "bad_token"),
        ({"callback": {"url": ["a"]}}, "bad_token"),
        ({"callbackUrl": "https://n8n.example/a b"}, "bad_token"),
        ({"callbackUrl": N8N, "resumeUrl": N8N + "x"}, "several_tokens"),
        ({"callbackUrl": N8N, "callback": {"url": N8N + "x"}}, "several_tokens"),
    ],
)
def test_what_has_no_one_address_is_refused(body: dict[str, Any], code: str) -> None:
    with pytest.raises(MessageNotUnderstood) as refused:
        read(json.dumps(body), Handle.URL)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "https://evil.example/hook/s3cr3t?sig=s3cr3t",
            "“evil.example” is not among the hosts of the connection.",
        ),
        ("http://n8n.example/hook/s3cr3t", "The callback address is not https."),
        (
            "https://user:s3cr3t@n8n.example/hook",
            "The callback address has to be https://host/path, without a user name or a #.",
        ),
        ("not an address, s3cr3t".replace(" ", "-"), "The callback address has to be https"),
    ],
)
def test_an_address_that_is_not_admitted_goes_to_quarantine_which_names_its_host_at_most(
    source: Source, url: str, reason: str
) -> None:
    body = {"title": "Refund", "callbackUrl": url, "comment": f"or curl {url}"}
    [acceptance] = accept(source, [json.dumps(body)])
    held = QuarantinedMessage.objects.get()
    assert acceptance.task_id is None
    assert held.code == "bad_token"
    assert held.reason.startswith(reason)
    if "://" in url:
        assert "s3cr3t" not in held.shown + held.reason
    assert "Refund" in held.shown


@pytest.mark.parametrize(
    "written",
    [
        N8N,
        json.dumps(N8N),
        json.dumps(json.dumps({"u": N8N})),
        N8N.replace("/", "\\/"),
        quote(N8N, safe=""),
        quote(quote(N8N, safe=""), safe=""),
        N8N.replace("https://", "HTTPS://user:9f86d081884c7d65@"),
        N8N.replace(":", "\\u003a"),
    ],
)
def test_quarantine_shows_of_any_address_its_host_alone(written: str) -> None:
    shown = masked(f'{{"hook": {written}, "title": "Refund"', handle=Handle.URL)
    assert "9f86d081884c7d65" not in shown
    assert "4711" not in shown
    assert "Refund" in shown or "\\" in written


def test_the_same_address_is_the_same_task(source: Source) -> None:
    first = accept(source, [json.dumps({"callbackUrl": LOGIC_APPS})])
    again = accept(source, [json.dumps({"callbackUrl": LOGIC_APPS, "title": "again"})])
    assert [one.task_id for one in first] == [one.task_id for one in again]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"hosts": " "}, "hosts"),
        ({"hosts": "good.example\n*.com"}, "hosts"),
        ({"hosts": "10.0.0.5"}, "hosts"),
        ({"auth": "header"}, "header_name"),
        ({"auth": "header", "header_name": "Host"}, "header_name"),
        ({"auth": "oauth", "key_id": "me"}, "token_url"),
        ({"auth": "oauth", "token_url": "https://id.example/token"}, "token_url"),
    ],
)
def test_a_connection_that_could_send_nothing_is_not_saved(
    db: None, fields: dict[str, str], field: str
) -> None:
    good = {"kind": "callback_url", "name": "n8n", "hosts": "https://n8n.internal\ngood.example"}
    Connection(**good).full_clean()
    with pytest.raises(ValidationError) as refused:
        Connection(**(good | fields)).full_clean()
    assert list(refused.value.message_dict) == [field]


# --- all the way ---------------------------------------------------------------------------------


@pytest.fixture
def waiting_at(server, gate, alice):
    """Decides about a step that waits at the local server; its callback."""
    hosts = f"https://{HOST}:{server.port}"
    connection = ConnectionFactory(kind="callback_url", hosts=hosts)
    source = SourceFactory(connection=connection, gate=gate)

    def make(target: str, verdict: Verdict = Verdict.APPROVE) -> Callback:
        body = {"callbackUrl": token_at(server, target).reveal(), "title": "Refund"}
        [acceptance] = accept(source, [json.dumps(body)])
        assert acceptance.task_id, acceptance.problem
        decide(acceptance.task_id, person(alice), verdict, comment="Why", via=Decision.Via.INBOX)
        return Callback.objects.get(task_id=acceptance.task_id)

    return make


def test_a_decision_reaches_the_address_that_the_message_brought(server, waiting_at) -> None:
    targets = server.create_step(), server.create_step()
    approved = waiting_at(targets[0])
    rejected = waiting_at(targets[1], Verdict.REJECT)
    assert deliver(approved.pk) == deliver(rejected.pk) == CallbackStatus.DELIVERED
    assert json.loads(server.steps[targets[0]].body)["decisionId"] == str(approved.decision_id)
    told = json.loads(server.steps[targets[1]].body)
    assert (told["status"], told["error"], told["approved"]) == ("failed", "Rejected", False)


def test_an_answer_that_was_lost_is_sent_again_with_the_same_key(server, waiting_at) -> None:
    target = server.create_step()
    callback = waiting_at(target)
    server.reply = lambda heard: Reply(502)
    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED
    server.reply = lambda heard: None
    assert reconcile(callback.pk) == CallbackStatus.DUE
    assert deliver(callback.pk) == CallbackStatus.DELIVERED
    assert len({heard.headers["idempotency-key"] for heard in server.heard}) == 1


def test_an_answer_that_was_taken_and_lost_stays_in_sight_and_is_not_sent_for_ever(
    server, waiting_at
) -> None:
    target = server.create_step()
    callback = waiting_at(target)

    def taken_and_lost(heard: Any) -> Reply:
        server.steps[target] = heard
        return Reply(fault="drop")

    server.reply = taken_and_lost
    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED
    server.reply = lambda heard: None
    assert reconcile(callback.pk) == CallbackStatus.DUE
    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED, (
        "409: our own first call may have won"
    )
    assert reconcile(callback.pk) == CallbackStatus.UNCONFIRMED
    assert len(server.heard) == 2


def test_a_host_that_stays_broken_is_sent_to_ever_more_rarely(server, waiting_at) -> None:
    callback = waiting_at(server.create_step())
    server.reply = lambda heard: Reply(500)
    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED
    assert reconcile(callback.pk) == CallbackStatus.DUE
    assert deliver(callback.pk) == CallbackStatus.UNCONFIRMED
    assert reconcile(callback.pk) == CallbackStatus.DUE
    assert deliver(callback.pk) is None, "a pause comes first"
    assert len(server.heard) == 2


def test_a_host_that_was_taken_off_the_list_gets_nothing(server, waiting_at) -> None:
    callback = waiting_at(server.create_step())
    connection = callback.task.connection
    connection.hosts = "elsewhere.example"
    connection.save()
    assert deliver(callback.pk) == CallbackStatus.DEAD
    assert server.connections == 0


def test_the_record_does_not_hold_the_address(server, waiting_at) -> None:
    callback = waiting_at(server.create_step("?signature=9f86d081884c7d65"))
    server.reply = lambda heard: Reply(302, b"", {"Location": heard.target})
    assert deliver(callback.pk) == CallbackStatus.DEAD
    callback.refresh_from_db()
    kept = json.dumps(list(AuditEvent.objects.values_list("data", flat=True)))
    kept += callback.last_error + str(list(callback.attempts.values_list("detail", "code")))
    assert "9f86d081884c7d65" not in kept
    assert "/resume/" not in kept
    assert HOST in callback.last_error


@pytest.mark.django_db
def test_nobody_can_be_asked_so_the_deadline_of_the_message_ends_the_task(
    source: Source, gate: Gate
) -> None:
    past = "2020-01-01T00:00:00Z"
    body = {"callbackUrl": N8N, "title": "Refund", "deadline": past}
    [acceptance] = accept(source, [json.dumps(body)])
    assert expire_due() == 1
    task = ApprovalTask.objects.get(pk=acceptance.task_id)
    assert task.status == "expired"
    assert task.settled_reason == "Time ran out before this was decided."
