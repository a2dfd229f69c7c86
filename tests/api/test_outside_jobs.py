"""A job on somebody's own cluster needs one key and four addresses."""

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings, strategies as st

from approvals.models import ApprovalTask, Callback, Gate, JobKey, OutsideJob
from approvals.outside_jobs import keys
from approvals.states import TaskStatus
from tests.factories import task_for
from tests.security.leaks import leaks


def test_from_claim_to_success(job, runner, call):
    waiting = job(
        title="Aggregate May",
        input={"month": "2026-05", "to": {"table": "sums"}},
        links=["https://example.com/run/5"],
        requestedBy="dora",
        timeoutSeconds=3600,
    )

    taken = call("gates/spark/claim", runner.secret, {"runner": "driver-7"})

    assert taken.status_code == 200
    assert taken["Cache-Control"] == "no-store"
    said = taken.json()
    assert set(said) == {
        "taskId", "title", "input", "links", "requestedBy", "deadline", "jobKey", "jobKeyExpiresAt"
    }  # fmt: skip
    assert (said["taskId"], said["title"]) == (str(waiting.task.pk), "Aggregate May")
    assert said["input"] == {"month": "2026-05", "to": {"table": "sums"}}
    assert said["jobKey"].startswith("csj_")
    assert call("gates/spark/claim", runner.secret).status_code == 204

    at, key = f"tasks/{said['taskId']}", said["jobKey"]
    assert call(f"{at}/heartbeat", key).json() == {"taskId": said["taskId"], "status": "pending"}
    assert call(f"{at}/progress", key, {"percent": 40, "note": " half of it "}).status_code == 200
    assert call(f"{at}/progress", key, {"percent": 55}).status_code == 200
    row = OutsideJob.objects.get()
    assert (row.percent, row.note, row.claimed_by) == (55, "half of it", "driver-7")
    for _ in range(2):
        done = call(f"{at}/success", key, {"output": {"rows": 12}})
        assert (done.status_code, done.json()["status"]) == (200, "succeeded")
    assert json.loads(Callback.objects.get().output)["output"] == {"rows": 12}
    second = call(f"{at}/failure", key, {"error": "Oops"})
    assert (second.status_code, second.json()["error"]) == (409, "already_settled")
    assert "The job itself has already" in second.json()["message"]
    gone = call(f"{at}/heartbeat", key)
    assert (gone.status_code, gone.json()["error"]) == (410, "gone")


def test_a_job_sees_how_it_stands(claimed, call):
    said = claimed(title="Aggregate May")
    call(f"tasks/{said['taskId']}/progress", said["jobKey"], {"percent": 40})
    answer = Client().get(
        f"/api/v1/tasks/{said['taskId']}", headers={"Authorization": f"Bearer {said['jobKey']}"}
    )
    stand = answer.json()
    assert (stand["status"], stand["percent"], stand["claimedBy"]) == ("pending", 40, "cluster-1")
    assert stand["heardAt"]


def test_the_task_token_is_in_no_answer(job, runner, call):
    one = job(heartbeat_seconds=60)
    taken = call("gates/spark/claim", runner.secret)
    at, key = f"tasks/{taken.json()['taskId']}", taken.json()["jobKey"]
    answers = [taken, call(f"{at}/progress", key, {"percent": 1}), call(f"{at}/success", key, {})]
    said = [("answer", f"{answer.headers} {answer.content!r}") for answer in answers]
    assert leaks(one.token.reveal(), said) == []


def test_which_key_may_do_what(claimed, job, runner, call, ada):
    said, other = claimed(), job()
    at, key = f"tasks/{said['taskId']}", said["jobKey"]
    expected = [
        (f"{at}/success", "", 401, "no_key"),
        (f"{at}/success", "csj_wrong", 401, "bad_key"),
        (f"{at}/success", "wrong\xe9", 401, "bad_key"),
        (f"{at}/success", runner.secret, 403, "wrong_key"),
        (f"tasks/{other.task.pk}/success", key, 404, "not_found"),
        (f"tasks/{'0' * 8}-0000-0000-0000-{'0' * 12}/success", key, 404, "not_found"),
        ("tasks/nonsense/success", key, 404, "not_found"),
        ("gates/spark/claim", key, 403, "wrong_key"),
        ("gates/flink/claim", runner.secret, 404, "not_found"),
        ("gates/%00/claim", runner.secret, 404, "not_found"),
    ]
    for path, shown, status, error in expected:
        answer = call(path, shown, {})
        assert (answer.status_code, answer.json()["error"]) == (status, error), path
        assert ("WWW-Authenticate" in answer) is (status == 401)
    JobKey.objects.filter(task=said["taskId"]).update(expires_at="2026-01-01T00:00:00Z")
    assert "expired" in call(f"{at}/success", key, {}).json()["message"]
    keys.revoke(runner.key, ada)
    assert call("gates/spark/claim", runner.secret).status_code == 401
    assert not Callback.objects.exists()


def test_a_session_opens_nothing(claimed, alice, olive, ada, signed_in, call):
    said = claimed()
    paths = [f"tasks/{said['taskId']}/{what}" for what in ("success", "failure", "heartbeat")]
    for user in (alice, olive, ada):
        for checks in (False, True):
            client = signed_in(user, enforce_csrf_checks=checks)
            for path in [*paths, "gates/spark/claim"]:
                answer = client.post(f"/api/v1/{path}", {}, content_type="application/json")
                assert answer.status_code == 401, path
            assert client.get(f"/api/v1/tasks/{said['taskId']}").status_code == 401
    assert ApprovalTask.objects.get().is_pending


DEEP = b'{"output":' + b"[" * 60 + b"]" * 60 + b"}"


@pytest.mark.parametrize(
    ("what", "body", "status", "error"),
    [
        ("success", b"{", 400, "not_json"),
        ("success", b"\xff\xfe{}", 400, "not_text"),
        ("success", b"[]", 400, "not_an_object"),
        ("success", b'"text"', 400, "not_an_object"),
        ("success", b"null", 400, "not_an_object"),
        ("success", b'{"output":1,"output":2}', 400, "duplicate_key"),
        ("success", b'{"output":NaN}', 400, "not_json"),
        ("success", b'{"output":1e999}', 400, "number_too_large"),
        ("success", b'{"output":' + b"9" * 2000 + b"}", 400, "number_too_large"),
        ("success", DEEP, 400, "too_deep"),
        ("success", b'{"output":"' + b"x" * 262_144 + b'"}', 413, "too_large"),
        ("success", b'{"output":"' + b"x" * 262_100 + b'"}', 413, "too_large"),
        ("success", b" " * 2_000_000, 413, "too_large"),
        ("success", b'{"output":"\\ud800"}', 422, "not_acceptable"),
        ("success", b'{"result":1}', 422, "not_valid"),
        ("failure", b'{"error":""}', 422, "not_valid"),
        ("failure", b'{"error":"' + b"x" * 257 + b'"}', 422, "not_valid"),
        ("failure", b'{"error":"' + "ß".encode() * 200 + b'"}', 422, "not_acceptable"),
        ("failure", b'{"error":"a\\u0000b"}', 422, "not_valid"),
        ("failure", b'{"error":"E","cause":"\\ud800"}', 422, "not_valid"),
        ("failure", b'{"error":7}', 422, "not_valid"),
        ("progress", b"", 422, "not_valid"),
        ("progress", b'{"percent":101}', 422, "not_valid"),
        ("progress", b'{"percent":-1}', 422, "not_valid"),
        ("progress", b'{"percent":"50"}', 422, "not_valid"),
        ("progress", b'{"percent":1.5}', 422, "not_valid"),
        ("progress", b'{"percent":true}', 422, "not_valid"),
        ("progress", b'{"note":"' + b"x" * 301 + b'"}', 422, "not_valid"),
        ("heartbeat", b'{"percent":1}', 422, "not_valid"),
    ],
)
def test_bad_bodies_are_refused_in_words_and_change_nothing(
    claimed, call, what, body, status, error
):
    said = claimed()
    answer = call(f"tasks/{said['taskId']}/{what}", said["jobKey"], body)
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.content[:300]
    assert len(answer.json()["message"]) > 10
    assert ApprovalTask.objects.get().is_pending
    assert OutsideJob.objects.get().heard_at is None


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "text/"])
def test_other_content_types_are_refused(claimed, call, kind):
    said = claimed()
    answer = call(f"tasks/{said['taskId']}/success", said["jobKey"], b"{}", content_type=kind)
    assert (answer.status_code, answer.json()["error"]) == (415, "not_json")


def test_a_body_in_chunks_is_refused_instead_of_lost(claimed, call):
    """Django reads nothing of it, so that the job's result would be null."""
    said = claimed()
    answer = call(
        f"tasks/{said['taskId']}/success", said["jobKey"], HTTP_TRANSFER_ENCODING="chunked"
    )
    assert (answer.status_code, answer.json()["error"]) == (411, "no_length")
    assert ApprovalTask.objects.get().is_pending


def test_a_number_stays_the_number_that_the_job_sent(claimed, call):
    said = claimed()
    body = b'{"output":[1.2345678901234567E-5,0.1000000000000000055511,12345678901234567890123]}'
    assert call(f"tasks/{said['taskId']}/success", said["jobKey"], body).status_code == 200
    output = json.loads(Callback.objects.get().output)["output"]
    assert output == [1.2345678901234567e-05, 0.1, 12345678901234567890123]


def test_the_descriptions_are_public_and_hold_every_address(db):
    described = Client().get("/api/v1/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/v1/gates/{slug}/claim",
        "/api/v1/tasks/{task_id}",
        *(f"/api/v1/tasks/{{task_id}}/{what}" for what in
          ("success", "failure", "heartbeat", "progress")),
    }  # fmt: skip


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
bodies = st.one_of(
    st.binary(max_size=60),
    json_values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.dictionaries(
        st.sampled_from(["output", "error", "cause", "percent", "note", "runner"]), json_values
    ).map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    what=st.sampled_from(["success", "failure", "heartbeat", "progress"]),
    body=bodies,
    key=st.booleans(),
)
def test_anything_at_all_gets_a_clear_answer(job, call, what: str, body: bytes, key: bool):
    one = job()
    secret = keys.issue_job_key(one.task, "").secret if key else "csj_nobody"
    answer: Any = call(f"tasks/{one.task.pk}/{what}", secret, body)
    assert answer.status_code in (200, 400, 401, 413, 422)
    if answer.status_code != 200:
        assert set(answer.json()) == {"error", "message"}
        assert one.status == TaskStatus.PENDING


def test_a_gate_for_people_gives_no_jobs(gate, source, call, ada):
    task_for(gate, source)
    issued = keys.issue_runner_key(gate, "x", ada)
    assert call("gates/refunds/claim", issued.secret).status_code == 204
    assert Gate.objects.get(pk=gate.pk).kind == "people"
