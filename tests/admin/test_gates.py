"""A gate for outside jobs gives keys to the runners that claim its jobs."""

import json
import subprocess

import pytest
from django.urls import reverse

from approvals.admin.examples import ASK
from approvals.admin.gates import GateAdmin
from approvals.models import AuditEvent, Gate, JobKey
from tests.admin.test_configuration import change, configured
from tests.factories import GateFactory, task_for


def url(page, *args):
    return reverse(f"admin:approvals_gate_{page}", args=args)


@pytest.fixture
def jobs(db):
    return GateFactory(slug="spark", name="Spark", kind=Gate.Kind.JOB)


def test_a_runner_gets_a_key_that_is_shown_once(administrator, jobs, ada):
    response = administrator.post(url("key_new", jobs.pk), {"name": " The  cluster "})
    secret = response.context["key"].secret
    html = response.content.decode()
    assert secret in html
    assert "/api/v1/gates/spark/claim" in html
    assert "no-store" in response["Cache-Control"]
    key = JobKey.objects.get()
    assert (key.gate, key.name, key.expires_at) == (jobs, "The cluster", None)
    page = administrator.get(url("change", jobs.pk)).content.decode()
    assert "The cluster" in page
    assert secret not in page
    assert AuditEvent.objects.get(action="key_issued").actor == ada


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "\x00"])
def test_a_key_needs_a_name(administrator, jobs, name):
    response = administrator.post(url("key_new", jobs.pk), {"name": name}, follow=True)
    assert "who will use the key" in response.content.decode()
    assert not JobKey.objects.exists()


def test_a_gate_has_so_many_keys_and_no_more(administrator, jobs):
    JobKey.objects.bulk_create(
        JobKey(gate=jobs, name="old", digest=bytes([n] * 32)) for n in range(GateAdmin.most_keys)
    )
    response = administrator.post(url("key_new", jobs.pk), {"name": "One more"}, follow=True)
    assert "Revoke one first" in response.content.decode()
    assert JobKey.objects.count() == GateAdmin.most_keys


def test_a_runners_key_is_revoked(administrator, jobs, ada):
    administrator.post(url("key_new", jobs.pk), {"name": "The cluster"})
    address = url("key_revoke", jobs.pk, JobKey.objects.get().pk)
    assert "It was never used." in administrator.get(address).content.decode()
    assert "is revoked" in administrator.post(address, follow=True).content.decode()
    assert not JobKey.objects.exists()
    assert AuditEvent.objects.get(action="key_revoked").actor == ada


@pytest.mark.django_db(transaction=True)
def test_the_example_beside_a_runners_key_works(administrator, jobs, live_server, settings):
    settings.SITE_URL = live_server.url
    task = task_for(jobs, title="Count the words")
    response = administrator.post(url("key_new", jobs.pk), {"name": "The cluster"})
    key = response.context["key"]
    assert key.secret not in key.example
    done = subprocess.run(
        ["bash", "-c", f"{ASK}\n{key.example}"],
        input=f"{key.secret}\n",
        capture_output=True,
        text=True,
    )
    body, status = done.stdout.split("\n")[:2]
    claimed = json.loads(body)
    assert status == "200"
    assert "If one waits, this takes it." in response.content.decode()
    assert (claimed["taskId"], claimed["title"]) == (str(task.pk), "Count the words")


def test_a_gate_for_people_has_no_keys(administrator, gate):
    assert 'id="keys"' not in administrator.get(url("change", gate.pk)).content.decode()


def test_keys_from_when_it_was_a_gate_for_jobs_can_still_be_revoked(administrator, jobs):
    administrator.post(url("key_new", jobs.pk), {"name": "The cluster"})
    Gate.objects.filter(pk=jobs.pk).update(kind=Gate.Kind.PEOPLE)
    html = administrator.get(url("change", jobs.pk)).content.decode()
    assert "The cluster" in html
    assert "New key" not in html
    response = administrator.post(url("key_new", jobs.pk), {"name": "Another"}, follow=True)
    assert "it takes no keys" in response.content.decode()
    administrator.post(url("key_revoke", jobs.pk, JobKey.objects.get().pk))
    assert not JobKey.objects.exists()


def test_what_concerns_jobs_and_retries_is_configured_on_the_record(administrator, gate):
    change(administrator, gate, kind="job", carries_over="on", job_silence_seconds=60)
    gate.refresh_from_db()
    assert (gate.kind, gate.carries_over, gate.job_silence_seconds) == ("job", True, 60)
    assert configured().data["changes"] == {
        "waits for": ["People who decide", "An outside job that reports"],
        "decisions carry over to a retry": [False, True],
        "a job is silent after (s)": [300, 60],
    }
