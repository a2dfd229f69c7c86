"""The flow against CloudFlow and MNS: both dialects, by queue and by webhook, to the very end."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_django.live_server_helper import LiveServer

from approvals.decisions.decide import decide
from approvals.intake import keys, receiver
from approvals.jobs import reconcile_callbacks, send_heartbeats, sweep_callbacks
from approvals.models import ApprovalTask, Callback, Decision, Gate, Source, User
from approvals.people.eligibility import Person
from approvals.states import CallbackStatus, TaskStatus, Verdict
from approvals.tokens import encrypt
from demo.alibaba import flows
from demo.alibaba.cloudflow import Execution
from demo.alibaba.server import Alibaba
from tests.emulated_aws import until
from tests.factories import ConnectionFactory, GateFactory, SourceFactory, UserFactory

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "cloudflow"
VALUES = {"FLOW": "refunds", "GATE": "refunds", "QUEUE": "approvals", "REGION": "cn-hangzhou"}


@dataclass
class Setting:
    """One account at Alibaba Cloud, one installation, and the one reviewer."""

    alibaba: Alibaba
    gate: Gate
    queue: Source
    reviewer: User

    def waits(self, **data: Any) -> tuple[Execution, ApprovalTask]:
        asked = {"title": "Refund order 7", "requestedBy": "dora@example.com", **data}
        run = self.alibaba.cloudflow.start("refunds", data=asked)
        task = until(
            lambda: ApprovalTask.objects.filter(title="Refund order 7").first(), seconds=20
        )
        return run, task

    def decides(self, task: ApprovalTask, verdict: Verdict, comment: str = "") -> Decision:
        who = Person(User.objects.get(pk=self.reviewer.pk))
        return decide(task.pk, who, verdict, comment=comment, via=Decision.Via.INBOX).decision

    def delivers(self) -> Callback:
        sweep_callbacks()
        return Callback.objects.get()


@pytest.fixture
def setting(transactional_db: None) -> Iterator[Setting]:
    with Alibaba() as alibaba:
        alibaba.queues.create("approvals")
        connection = ConnectionFactory(
            kind="cloudflow",
            region="cn-hangzhou",
            endpoint_url=alibaba.url,
            key_id=alibaba.key.id,
            secret_ciphertext=encrypt(alibaba.key.secret),
        )
        reviewer = UserFactory(username="alice")
        yield Setting(
            alibaba,
            GateFactory(slug="refunds", name="Refunds", users=[reviewer]),
            SourceFactory(
                kind="mns", connection=connection, queue_url=alibaba.queue_url("approvals")
            ),
            reviewer,
        )


@pytest.fixture
def receiving(setting: Setting) -> Iterator[None]:
    """The receiver's process, as a thread."""
    stopping = threading.Event()
    thread = threading.Thread(target=receiver.run, args=(stopping,))
    thread.start()
    yield
    stopping.set()
    thread.join(timeout=30)


@pytest.fixture
def add_flow(setting: Setting) -> Callable[..., None]:
    """Deploy one of the examples that people copy, as the flow `refunds`."""

    def add(file: str, **values: str) -> None:
        text = (EXAMPLES / file).read_text()
        for name, value in (VALUES | values).items():
            text = re.sub(rf"\b{name}\b", value, text)
        setting.alibaba.cloudflow.add_flow(flows.read(yaml.safe_load(text), "refunds"))

    return add


@pytest.mark.usefixtures("receiving")
@pytest.mark.parametrize("file", ["mns-new.yaml", "mns-old.yaml"])
@pytest.mark.parametrize(
    ("verdict", "goes_to"), [(Verdict.APPROVE, "payBack"), (Verdict.REJECT, "notRefunded")]
)
def test_a_decision_on_a_message_from_a_queue_leads_the_flow_on(
    setting: Setting, add_flow: Callable[..., None], file: str, verdict: Verdict, goes_to: str
) -> None:
    add_flow(file)
    run, task = setting.waits(order={"id": 7, "amount": 120})
    decision = setting.decides(task, verdict, "Because")
    assert setting.delivers().status == CallbackStatus.DELIVERED
    assert (run.status, run.last_step) == ("Succeeded", goes_to)
    assert str(decision.pk) in run.output
    until(lambda: setting.alibaba.queues.left("approvals") == 0, seconds=20)


@pytest.mark.usefixtures("receiving")
def test_a_message_says_which_execution_and_which_state_wait(
    setting: Setting, add_flow: Callable[..., None]
) -> None:
    add_flow("mns-new.yaml")
    run, task = setting.waits(order={"id": 7})
    assert task.execution_id == f"flow/refunds/execution/{run.name}"
    assert (task.workflow, task.execution_name, task.state) == (
        "refunds",
        run.name,
        "approveRefund",
    )
    assert task.payload["order"] == {"id": 7}
    assert task.requested_by == "dora@example.com"
    assert task.deadline is not None


@pytest.mark.usefixtures("receiving")
@pytest.mark.parametrize("comment", ["", "太贵了" * 2_000])
def test_a_rejection_keeps_within_the_limits(
    setting: Setting, add_flow: Callable[..., None], comment: str
) -> None:
    add_flow("mns-new.yaml")
    Gate.objects.update(reason="never")
    run, task = setting.waits()
    decision = setting.decides(task, Verdict.REJECT, comment)
    assert setting.delivers().status == CallbackStatus.DELIVERED
    [token] = setting.alibaba.cloudflow.tokens(run)
    error, cause = setting.alibaba.cloudflow.answer(token)
    assert error == "Rejected"
    assert str(decision.pk) in cause
    assert cause.startswith(comment[:1000])


@pytest.mark.usefixtures("receiving")
def test_a_gate_may_reject_by_a_success(setting: Setting, add_flow: Callable[..., None]) -> None:
    add_flow("mns-old.yaml")
    Gate.objects.update(on_reject=Gate.OnReject.SUCCESS)
    run, task = setting.waits()
    setting.decides(task, Verdict.REJECT, "Too expensive")
    assert setting.delivers().status == CallbackStatus.DELIVERED
    assert (run.status, run.last_step) == ("Succeeded", "notRefunded")
    assert json.loads(run.output)["approved"] is False


@pytest.mark.usefixtures("receiving")
def test_an_execution_that_was_stopped_leaves_the_inbox_without_heartbeats(
    setting: Setting, add_flow: Callable[..., None]
) -> None:
    add_flow("mns-new.yaml")
    run, task = setting.waits()
    setting.alibaba.cloudflow.stop("refunds", run.name)
    send_heartbeats()
    task.refresh_from_db()
    assert task.status == TaskStatus.CANCELLED


@pytest.mark.usefixtures("receiving")
@pytest.mark.parametrize("fault", ["accept_and_drop", "accept_and_500", "error_500"])
def test_a_lost_answer_is_looked_up_and_told_once(
    setting: Setting, add_flow: Callable[..., None], fault: str
) -> None:
    add_flow("mns-new.yaml")
    run, task = setting.waits()
    setting.decides(task, Verdict.APPROVE)
    setting.alibaba.cloudflow.faults.switch_on(fault, action="ReportTaskSucceeded")
    assert setting.delivers().status == CallbackStatus.UNCONFIRMED
    reconcile_callbacks()
    assert setting.delivers().status == CallbackStatus.DELIVERED
    assert (run.status, run.last_step) == ("Succeeded", "payBack")


def test_a_flow_may_post_straight_to_a_webhook(
    setting: Setting, add_flow: Callable[..., None], live_server: LiveServer
) -> None:
    webhook = SourceFactory(
        kind="webhook", auth="bearer", connection=setting.queue.connection, queue_url=""
    )
    webhook.refresh_from_db()
    key = keys.issue(webhook, actor=None)
    add_flow(
        "http-new.yaml", COUNTERSIGN=f"{live_server.url}/in/{webhook.address}/", KEY=key.secret
    )
    run, task = setting.waits()
    assert task.execution_id == f"flow/refunds/execution/{run.name}"
    setting.decides(task, Verdict.APPROVE)
    assert setting.delivers().status == CallbackStatus.DELIVERED
    assert (run.status, run.last_step) == ("Succeeded", "payBack")
