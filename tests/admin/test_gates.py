"""A gate's policy is configured in one form, by rules; a gate for outside jobs gives out keys."""

import json
import re
import subprocess

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from approvals.admin.examples import ASK
from approvals.admin.gates import GateAdmin
from approvals.decisions.decide import decide
from approvals.models import AuditEvent, Calendar, Decision, Gate, JobKey, Stage
from approvals.states import Verdict
from tests.admin.test_configuration import change, configured
from tests.conftest import person
from tests.factories import GateFactory, UserFactory, task_for


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


# --- policy --------------------------------------------------------------------------------------


def stages(*rows, initial=0):
    """What a browser sends of the stages below a gate's own fields."""
    data = {"stages-TOTAL_FORMS": len(rows), "stages-INITIAL_FORMS": initial}
    for number, row in enumerate(rows):
        row = {"needs": "count", "quorum": 1, "veto": "on"} | row
        data |= {f"stages-{number}-{name}": value for name, value in row.items()}
    return data


def test_stages_are_configured_with_their_gate_on_the_record(administrator, gate, charlie):
    team = charlie.groups.get()
    rows = stages({"position": 1, "name": "Security", "groups": [team.pk]})
    change(administrator, gate, **rows)
    assert configured().data["changes"] == {
        "later stages": [[], [{"name": "Security", "groups": ["Platform"]}]]
    }
    there = {"id": gate.stages.get().pk, "gate": gate.pk, "groups": [team.pk]}
    change(administrator, gate, **stages({"position": 1, "name": "Safety"} | there, initial=1))
    assert gate.stages.get().name == "Safety"
    change(administrator, gate, **stages({"position": 1, "name": "Safety", "DELETE": "on"} | there,
                                         initial=1))  # fmt: skip
    assert configured().data["changes"]["later stages"][1] == []
    assert not gate.stages.exists()


def test_a_stage_stays_while_tasks_wait_at_it(administrator, gate, alice):
    stage = Stage.objects.create(gate=gate, position=1, name="Board")
    decide(task_for(gate).pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    row = {"id": stage.pk, "gate": gate.pk, "position": 1, "name": "Board"}
    for wanted in ({"DELETE": "on"}, {"position": 2}):
        response = change(administrator, gate, **stages(row | wanted, initial=1))
        assert "1 task waits at stage “Board”" in response.content.decode()
    assert Stage.objects.get().position == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"needs": "each", "groups": []}, "Name the teams of which each"),
        ({"at_deadline": "approve"}, "To have silence approve, write exactly"),
        ({"at_deadline": "reject", "kind": "job"}, "An outside job reports for itself"),
        ({"link_alone_minutes": 5, "mails": ""}, "no links without mails"),
        ({"escalate_after_minutes": 5}, "Name the teams to which it escalates"),
        ({"remind_every_minutes": 5}, "Say after how long"),
        ({"choices": "{}x"}, "Enter a valid JSON"),
        ({"choices": '{"a": 1}'}, "Write a list"),
        ({"form": "[1]"}, "Write an object"),
        ({"kind": "job"} | stages({"position": 1, "name": "B"}), "An outside job has no stages"),
        (stages({"position": 1, "name": "B"}, {"position": 2, "name": "b"}), "Two stages are"),
        (stages({"position": 1, "name": "B"}, {"position": 1, "name": "C"}), "the position 1"),
        (stages({"position": 1, "name": "B", "needs": "each"}), "Name the teams of which each"),
    ],
)  # fmt: skip
def test_a_policy_that_makes_no_sense_is_refused_with_the_reason(administrator, gate, fields, said):
    response = change(administrator, gate, **fields)
    assert said in response.content.decode()
    assert not AuditEvent.objects.filter(action="configured").exists()


def test_json_left_blank_asks_for_nothing(administrator, gate):
    change(administrator, gate, choices='[{"key": "a", "label": "A", "verdict": "approve"}]')
    change(administrator, gate, choices="", form="", editable="")
    gate.refresh_from_db()
    assert (gate.choices, gate.form, gate.editable) == ([], {}, [])


def test_whoever_is_in_every_team_is_mentioned(administrator, gate, charlie, alice):
    alice.groups.add(charlie.groups.get())
    teams = [group.pk for group in alice.groups.all()]
    html = change(administrator, gate, needs="each", groups=teams).content.decode()
    assert "Alice is in every team of “Refunds” and can pass it alone" in html


def hours(calendar, **days):
    """The calendar's page sent with these hours."""
    url = reverse("admin:approvals_calendar_change", args=[calendar.pk])

    def send(administrator):
        return administrator.post(url, form_of_calendar(administrator.get(url), **days))

    return send


def form_of_calendar(page, **changes):
    """What a browser would send: lists are texts there."""
    fields = page.context["adminform"].form
    return {name: fields[name].value() or "" for name in fields.fields} | changes


def test_calendars_are_configured_on_the_record(administrator, ada):
    add = reverse("admin:approvals_calendar_add")
    page = administrator.get(add)
    shown = form_of_calendar(page)
    assert (shown["mon"], shown["sun"]) == ("09:00-17:00", "")
    wanted = {"name": "Vienna", "time_zone": "Europe/Vienna", "fri": "09:00-12:00, 13:00–15:00"}
    wanted |= {"closed": "2026-12-24\n2026-12-31"}
    administrator.post(add, shown | wanted)
    calendar = Calendar.objects.get()
    assert calendar.hours["mon"] == [["09:00", "17:00"]]
    assert calendar.hours["fri"] == [["09:00", "12:00"], ["13:00", "15:00"]]
    assert "sun" not in calendar.hours
    assert calendar.closed == ["2026-12-24", "2026-12-31"]
    assert configured().data["object"] == "Vienna"
    hours(calendar, tue="", closed="")(administrator)
    calendar.refresh_from_db()
    assert "tue" not in calendar.hours
    assert calendar.closed == []
    assert set(configured().data["changes"]) == {"working hours", "also closed on"}
    listed = administrator.get(reverse("admin:approvals_calendar_changelist")).content.decode()
    assert "<div>Fri 09:00–12:00, 13:00–15:00</div>" in listed


def test_who_may_only_look_reads_the_hours(db, signed_in):
    calendar = Calendar.objects.create(name="Office")
    looks = UserFactory(username="looks", is_staff=True)
    looks.user_permissions.add(Permission.objects.get(codename="view_calendar"))
    url = reverse("admin:approvals_calendar_change", args=[calendar.pk])
    html = signed_in(looks).get(url).content.decode()
    assert "<div>Mon 09:00–17:00</div>" in html
    assert "A day left blank" not in html


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mon": "9 to 5"}, "“9 to 5” is not a span of the day. Write it as 09:00-17:00."),
        ({"mon": "9-17"}, "“mon”: write spans such as 09:00-12:00"),
        ({"mon": "17:00-09:00"}, "“mon”: hours end after they begin"),
        ({"mon": "09:00-12:00, 11:00-13:00"}, "“mon”: hours overlap"),
        ({"mon": "\0"}, "Null characters"),
        (dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ""), "It is never open."),
        ({"closed": "Christmas"}, "Write days such as 2026-12-24."),
        ({"country": "XX"}, "No holidays are known"),
    ],
)
def test_hours_that_make_no_sense_are_refused_beside_their_day(administrator, wrong, said):
    calendar = Calendar.objects.create(name="Office")
    answer = hours(calendar, **wrong)(administrator)
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert said in str(errors)
    assert set(errors) <= {*wrong, "__all__"}
    assert not AuditEvent.objects.filter(action="configured").exists()


# --- what is folded ------------------------------------------------------------------------------


def folded(page):
    """The titles of the groups that are closed until somebody opens them."""
    html = page.content.decode()
    return re.findall(r"<details><summary>\s*<h2[^>]*>\s*([^<]+?)\s*</h2>", html)


def test_what_is_as_by_default_is_folded_and_nothing_else(administrator, gate, charlie):
    all_of_it = ["Later stages", "What is asked", "When", "Mails and links",
                 "Absence and working together", "What goes back, and to a retry"]  # fmt: skip
    assert folded(administrator.get(url("add"))) == all_of_it
    assert folded(administrator.get(url("change", gate.pk))) == all_of_it
    Gate.objects.update(undo_seconds=5, hand_over="nobody", carries_over=True)
    Stage.objects.create(gate=gate, position=1, name="Security")
    page = administrator.get(url("change", gate.pk))
    assert folded(page) == ["What is asked", "Mails and links"]
    Gate.objects.update(undo_seconds=0)
    gate.escalate_to.add(charlie.groups.get())
    assert "When" not in folded(administrator.get(url("change", gate.pk)))


def test_nothing_that_was_sent_and_refused_is_folded(administrator, gate):
    refused = change(administrator, gate, approve_label="", undo_seconds=5)
    assert refused.status_code == 200
    assert folded(refused) == []


def test_later_stages_stand_behind_the_first_reviewers(administrator, gate):
    html = administrator.get(url("change", gate.pk)).content.decode()
    marks = [html.index(one) for one in ('id="id_users"', 'id="stages-group"', 'id="id_reason"')]
    assert marks == sorted(marks)
    assert html.count('id="stages-group"') == 1
