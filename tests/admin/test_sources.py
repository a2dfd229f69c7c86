"""A source is wired in the admin: its mapping tried before it is saved, its keys shown once."""

import json
import re
import subprocess
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.admin.examples import ASK
from approvals.intake import keys
from approvals.intake.accept import accept
from approvals.models import ApprovalTask, AuditEvent, QuarantinedMessage, Source, SourceKey
from tests.admin.conftest import form
from tests.admin.test_configuration import change, configured
from tests.factories import ConnectionFactory, SourceFactory
from tests.intake.test_mapping import MAPPING, TICKET
from tests.intake.test_shapes import TOKEN


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:approvals_source_{page}", args=args)


@pytest.fixture
def webhook(gate):
    return SourceFactory(name="Tickets", kind=Source.Kind.WEBHOOK, queue_url="", gate=gate)


def tried(client, source, sample="", **changes):
    """The page after “Try”; nothing may have changed by it."""
    before = list(Source.objects.values()), AuditEvent.objects.count()
    address = url("change", source.pk) if source else url("add")
    data = form(client.get(address), **changes) | {"_try": "1", "sample": sample}
    response = client.post(address, data)
    assert response.status_code == 200
    assert (list(Source.objects.values()), AuditEvent.objects.count()) == before
    assert not ApprovalTask.objects.exists()
    return response


def facts(response):
    return dict(response.context["trial"].facts)


def mapping(**more):
    return json.dumps(MAPPING | more)


# --- Trial ---


def test_an_unsaved_mapping_is_tried_on_a_sample(administrator, webhook, dora):
    response = tried(administrator, webhook, json.dumps(TICKET), mapping=mapping())
    found = facts(response)
    assert found["Token"] == f"found, {len(TOKEN):,} characters"
    assert (found["Title"], found["Gate"]) == ("Refund 17", "Refunds")
    assert found["Requested by"] == "dora@example.com"
    assert found["Deadline"].startswith("2 Jan 2027")
    assert found["Links"] == "Order: https://example.com/17"
    shown = json.loads(response.context["trial"].input)
    assert shown["answer"] == {"to": {"handle": "[task token]"}}
    html = response.content.decode()
    assert "It is understood." in html
    # What was typed is still there, to go on with.
    assert json.loads(response.context["adminform"].form["mapping"].value()) == MAPPING
    assert "ticket.opened_by.mail" in html


def test_a_source_can_be_tried_before_it_is_saved_for_the_first_time(administrator, source, gate):
    response = tried(
        administrator,
        None,
        json.dumps(TICKET),
        kind="webhook",
        connection=source.connection.pk,
        gate=gate.pk,
        mapping=mapping(),
    )
    assert facts(response)["Title"] == "Refund 17"
    assert Source.objects.count() == 1


def test_why_no_task_would_be_made_is_said(administrator, webhook):
    response = tried(administrator, webhook, json.dumps(TICKET), mapping=mapping(gate="'nowhere'"))
    assert response.context["trial"].code == "unknown_gate"
    assert "There is no gate “nowhere”" in response.content.decode()
    response = tried(administrator, webhook, "{not json", mapping=mapping())
    assert response.context["trial"].code == "not_json"
    response = tried(administrator, webhook, json.dumps(TICKET), mapping='{"title": "sum(ticket)"}')
    assert "“title”" in response.context["trial"].problem


def test_the_gate_of_the_unsaved_form_counts(administrator, webhook):
    body = json.dumps({"taskToken": TOKEN})
    assert facts(tried(administrator, webhook, body))["Gate"] == "Refunds"
    response = tried(administrator, webhook, body, gate="")
    assert response.context["trial"].code == "no_gate"


@pytest.mark.parametrize("typed", ["{", '{"tittle": "x"}', '{"title": "a.["}'])
def test_a_mapping_with_a_mistake_is_named_instead_of_tried(administrator, webhook, typed):
    response = tried(administrator, webhook, json.dumps(TICKET), mapping=typed)
    assert "Correct the mapping" in response.context["trial"].problem
    assert response.context["adminform"].form.errors["mapping"]


def test_without_a_message_it_asks_for_one(administrator, webhook):
    assert "Paste a message" in tried(administrator, webhook).context["trial"].problem


def test_a_message_from_quarantine_is_tried_and_not_shown(administrator, webhook):
    accept(webhook, [json.dumps(TICKET)])
    held = QuarantinedMessage.objects.get()
    page = administrator.get(url("change", webhook.pk), {"held": held.pk})
    assert f'value="{held.pk}"' in page.content.decode()
    assert page.context["chosen"] == str(held.pk)
    data = form(page, mapping=mapping()) | {"_try": "1", "held": str(held.pk)}
    response = administrator.post(url("change", webhook.pk), data)
    assert facts(response)["Title"] == "Refund 17"
    assert response.context["sample"] == ""


@pytest.mark.parametrize("wrong", [{"token": "version_text"}, {"title": "answer.to.handle"}])
def test_with_a_wrong_mapping_its_token_stays_hidden_too(administrator, webhook, wrong):
    accept(webhook, [json.dumps(TICKET | {"version_text": "three"})])
    held = QuarantinedMessage.objects.get()
    data = form(administrator.get(url("change", webhook.pk)), mapping=mapping(**wrong))
    response = administrator.post(url("change", webhook.pk), data | {"_try": "1", "held": held.pk})
    assert response.context["trial"].facts
    assert TOKEN[:20] not in response.content.decode()


def test_an_address_that_takes_the_answer_stays_hidden_too(administrator, gate):
    far_end = ConnectionFactory(kind="callback_url", hosts="example.com")
    source = SourceFactory(kind=Source.Kind.WEBHOOK, connection=far_end, gate=gate)
    accept(source, [json.dumps({"reply": "https://example.com/resume/secret-1234", "x": "y"})])
    held = QuarantinedMessage.objects.get()
    address = url("change", source.pk)
    elsewhere = ConnectionFactory(kind="in_memory")
    for changes in (
        {"mapping": '{"token": "reply"}'},
        {"mapping": '{"token": "x", "title": "reply"}', "connection": elsewhere.pk},
    ):
        data = form(administrator.get(address), **changes) | {"_try": "1", "held": held.pk}
        response = administrator.post(address, data)
        assert facts(response)["Gate"] == "Refunds"
        assert "secret-1234" not in response.content.decode()


def test_a_message_of_another_source_is_not_tried(administrator, webhook, source):
    accept(source, [json.dumps(TICKET)])
    held = QuarantinedMessage.objects.get()
    data = form(administrator.get(url("change", webhook.pk)), mapping=mapping())
    response = administrator.post(url("change", webhook.pk), data | {"_try": "1", "held": held.pk})
    assert "Paste a message" in response.context["trial"].problem


def test_only_operators_are_offered_quarantine(administrator, webhook, ada):
    accept(webhook, [json.dumps(TICKET)])
    assert administrator.get(url("change", webhook.pk)).context["held_messages"]
    ada.groups.get().permissions.remove(
        *ada.groups.get().permissions.filter(codename="change_callback")
    )
    assert not administrator.get(url("change", webhook.pk)).context["held_messages"]


def test_whoever_may_only_look_tries_nothing(signed_in, ada, webhook):
    group = ada.groups.get()
    group.permissions.remove(*group.permissions.filter(codename="change_source"))
    client = signed_in(ada)
    html = client.get(url("change", webhook.pk)).content.decode()
    assert 'name="_try"' not in html
    assert "New key" not in html
    assert client.post(url("change", webhook.pk), {"_try": "1"}).status_code == 403


# --- Saving ---


def test_a_mapping_is_saved_on_the_record(administrator, webhook):
    change(administrator, webhook, mapping=mapping())
    webhook.refresh_from_db()
    assert webhook.mapping == MAPPING
    assert configured().data["changes"] == {"mapping": [{}, MAPPING]}
    change(administrator, webhook, mapping="")
    webhook.refresh_from_db()
    assert webhook.mapping == {}


@pytest.mark.parametrize(
    "typed",
    [
        r"""{"title": "'\u0000'"}""",
        r"""{"title": "'\ud800'"}""",
        r"""{"\ud800": "x"}""",
        '{"title": "a", "title": "b"}',
        '{"title": ' + "9" * 5_000 + "}",
        "[" * 10_000,
    ],
    ids=["NUL", "half a character", "half a field", "twice", "huge", "deep"],
)
def test_a_mapping_that_can_not_be_kept_is_not_saved(administrator, webhook, typed):
    response = change(administrator, webhook, mapping=typed)
    assert response.context["adminform"].form.errors["mapping"]
    response = tried(administrator, webhook, "{}", mapping=typed)
    assert "Correct the mapping" in response.context["trial"].problem
    webhook.refresh_from_db()
    assert webhook.mapping == {}


def test_a_mapping_with_a_mistake_is_not_saved(administrator, webhook):
    html = change(administrator, webhook, mapping='{"title": "a.["}').content.decode()
    assert "can&#x27;t be read at character" in html
    webhook.refresh_from_db()
    assert webhook.mapping == {}


@pytest.mark.parametrize(
    ("kind", "filled"),
    [
        ("sqs", {"queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/q"}),
        ("mns", {"queue_url": "https://1.mns.cn-hangzhou.aliyuncs.com/queues/q"}),
        ("webhook", {"auth": "bearer"}),
        ("sns", {"auth": "sns", "topic_arns": "arn:aws:sns:eu-west-1:123456789012:t"}),
    ],
)
def test_a_source_needs_only_what_fits_its_kind(administrator, source, kind, filled):
    fixed = {"name": f"A {kind}", "kind": kind, "connection": source.connection.pk, **filled}
    administrator.post(url("add"), form(administrator.get(url("add")), **fixed))
    assert Source.objects.get(name=f"A {kind}").kind == kind


def test_the_address_for_callers_is_shown(administrator, webhook, source):
    html = administrator.get(url("change", webhook.pk)).content.decode()
    assert f"http://127.0.0.1:8000/in/{webhook.address}/" in html
    assert "once the source is saved" in administrator.get(url("add")).content.decode()


# --- Keys ---


def issue(client, source):
    return client.post(url("key_new", source.pk))


@pytest.mark.parametrize("name", ["X_API_Key", "X API Key", "Host", "Content-Type", "`id`"])
def test_a_key_stands_in_a_header_that_reaches_us(administrator, webhook, name):
    """Web servers drop names with underscores, so that nobody would be let in."""
    html = change(administrator, webhook, auth="api_key", header_name=name).content.decode()
    assert "such as X-API-Key" in html
    change(administrator, webhook, auth="api_key", header_name="X-Our-Key")
    webhook.refresh_from_db()
    assert (webhook.auth, webhook.header_name) == ("api_key", "X-Our-Key")


def test_a_new_key_is_shown_once(administrator, webhook, ada):
    response = issue(administrator, webhook)
    secret = response.context["key"].secret
    html = response.content.decode()
    assert secret in html
    assert "no-store" in response["Cache-Control"]
    key = SourceKey.objects.get()
    line = AuditEvent.objects.get(action="key_issued")
    assert line.actor == ada
    page = administrator.get(url("change", webhook.pk)).content.decode()
    assert key.key_id in page
    assert secret not in page + str(line.data)


def test_there_are_two_live_keys_at_most(administrator, webhook):
    for _ in range(SourceKey.LIVE):
        assert issue(administrator, webhook).status_code == 200
    assert "New key" not in administrator.get(url("change", webhook.pk)).content.decode()
    response = administrator.post(url("key_new", webhook.pk), follow=True)
    assert "two live keys already" in response.content.decode()
    assert SourceKey.objects.count() == SourceKey.LIVE


def test_a_key_is_revoked_once_that_was_confirmed(administrator, webhook, ada):
    issued = keys.issue(webhook, ada)
    key = SourceKey.objects.get()
    address = url("key_revoke", webhook.pk, key.pk)
    html = administrator.get(address).content.decode()
    assert f"Revoke key “{issued.key_id}”" in html
    assert SourceKey.objects.exists()
    html = administrator.post(address, follow=True).content.decode()
    assert "is revoked" in html
    assert not SourceKey.objects.exists()
    assert AuditEvent.objects.get(action="key_revoked").actor == ada
    assert "no such key any more" in administrator.post(address, follow=True).content.decode()


def test_a_key_is_revoked_on_its_own_source_alone(administrator, webhook, ada):
    keys.issue(webhook, ada)
    other = SourceFactory(kind=Source.Kind.WEBHOOK)
    administrator.post(url("key_revoke", other.pk, SourceKey.objects.get().pk))
    assert SourceKey.objects.exists()


def test_a_link_makes_no_key_and_neither_does_another_site(signed_in, administrator, webhook, ada):
    assert administrator.get(url("key_new", webhook.pk)).status_code == 405
    strict = signed_in(ada, enforce_csrf_checks=True)
    assert issue(strict, webhook).status_code == 403
    assert not SourceKey.objects.exists()


def test_whoever_may_not_change_sources_makes_no_keys(signed_in, webhook, ada, olive):
    key = keys.issue(webhook, ada)
    olive.is_staff = True
    olive.save()
    client = signed_in(olive)
    assert issue(client, webhook).status_code in (403, 404)
    pk = SourceKey.objects.get(key_id=key.key_id).pk
    assert client.post(url("key_revoke", webhook.pk, pk)).status_code in (403, 404)
    assert SourceKey.objects.count() == 1


def test_a_queue_and_a_topic_that_signs_need_no_keys(administrator, source):
    topic = SourceFactory(kind=Source.Kind.SNS, auth=Source.Auth.SNS, topic_arns="arn:x")
    for one in (source, topic):
        assert 'id="keys"' not in administrator.get(url("change", one.pk)).content.decode()
        issue(administrator, one)
    assert not SourceKey.objects.exists()


@pytest.mark.parametrize("hosts", ["*.logic.azure.com", "http://127.0.0.1:5678", "flows.test:8443"])
def test_the_example_is_a_message_that_the_connection_takes(administrator, webhook, hosts):
    webhook.connection = ConnectionFactory(kind="callback_url", hosts=hosts)
    webhook.auth = Source.Auth.BEARER
    webhook.save()
    example = issue(administrator, webhook).context["key"].example
    body = re.search(r"--data-raw '(.*)'$", example)[1]
    [acceptance] = accept(webhook, [body])
    assert acceptance.problem is None


def test_a_topic_that_shows_a_password_is_subscribed_with_it(administrator):
    arn = "arn:aws:sns:eu-west-1:123456789012:approvals"
    topic = SourceFactory(kind=Source.Kind.SNS, auth=Source.Auth.BASIC, topic_arns=arn)
    key = issue(administrator, topic).context["key"]
    assert f"aws sns subscribe --topic-arn {arn}" in key.example
    assert f"://{key.facts['User name']}:$COUNTERSIGN_KEY@127.0.0.1:8000/in/" in key.example
    assert key.secret not in key.example


def test_no_secret_is_loaded_to_be_shown(administrator, webhook, ada):
    keys.issue(webhook, ada)
    key = SourceKey.objects.get()
    accept(webhook, ["not json"])
    with CaptureQueriesContext(connection) as captured:
        administrator.get(url("changelist"))
        administrator.get(url("add"))
        administrator.get(url("change", webhook.pk))
        administrator.get(url("key_revoke", webhook.pk, key.pk))
    assert not [query["sql"] for query in captured if "ciphertext" in query["sql"]]


@pytest.mark.parametrize("auth", ["hmac", "bearer", "basic", "api_key", "oauth"])
@pytest.mark.django_db(transaction=True)
def test_the_example_beside_a_new_key_works(administrator, webhook, live_server, settings, auth):
    settings.SITE_URL = live_server.url
    Source.objects.filter(pk=webhook.pk).update(auth=auth)
    key = issue(administrator, webhook).context["key"]
    assert key.secret not in key.example
    done = subprocess.run(
        ["bash", "-c", f"{ASK}\n{key.example}"],
        input=f"{key.secret}\n",
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["status"] == "pending", done.stdout + done.stderr
    task = ApprovalTask.objects.get()
    assert (task.title, task.source) == ("Test", webhook)
    assert SourceKey.objects.get().last_used_at
