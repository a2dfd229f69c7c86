"""A connection's secret goes in, is kept encrypted, and comes out nowhere."""

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.models import AuditEvent, Connection
from approvals.tokens import decrypt, encrypt
from tests.admin.conftest import form
from tests.admin.test_configuration import change, configured
from tests.factories import ConnectionFactory, SourceFactory

SECRET = "s3cr3t-of-the-far-end"


@pytest.fixture
def flow(db):
    return ConnectionFactory(name="Hangzhou", kind="cloudflow", region="cn-hangzhou")


def add_url():
    return reverse("admin:approvals_connection_add")


def test_a_secret_is_kept_encrypted(administrator, flow):
    response = change(administrator, flow, key_id="LTAI", secret=SECRET)
    flow.refresh_from_db()
    assert decrypt(flow.secret_ciphertext) == SECRET
    assert SECRET not in response.content.decode()
    assert configured().data["changes"] == {
        "access key id or client id": ["", "LTAI"],
        "secret": [None, "set"],
    }


def test_it_is_shown_and_recorded_nowhere(administrator, flow):
    change(administrator, flow, secret=SECRET)
    change(administrator, flow, secret=SECRET + "2")
    assert configured().data["changes"] == {"secret": [None, "changed"]}
    pages = [
        reverse("admin:approvals_connection_change", args=[flow.pk]),
        reverse("admin:approvals_connection_history", args=[flow.pk]),
        reverse("admin:approvals_connection_changelist"),
        reverse("ledger"),
    ]
    shown = "".join(administrator.get(page).content.decode() for page in pages)
    assert SECRET not in shown + str(list(AuditEvent.objects.values_list("data", flat=True)))
    assert "One is stored" in shown


def test_left_blank_it_stays(administrator, flow):
    change(administrator, flow, secret=SECRET)
    change(administrator, flow, region="cn-shanghai")
    flow.refresh_from_db()
    assert (flow.region, decrypt(flow.secret_ciphertext)) == ("cn-shanghai", SECRET)
    assert configured().data["changes"] == {"region": ["cn-hangzhou", "cn-shanghai"]}


def test_a_tick_removes_it(administrator, flow):
    change(administrator, flow, secret=SECRET)
    change(administrator, flow, clear_secret="on")
    flow.refresh_from_db()
    assert bytes(flow.secret_ciphertext) == b""
    assert configured().data["changes"] == {"secret": [None, "removed"]}


def test_one_that_is_refused_is_not_shown_again(administrator, flow):
    change(administrator, flow, secret="an earlier one")
    html = change(administrator, flow, secret=SECRET, clear_secret="on").content.decode()
    assert "or remove the stored one" in html
    assert SECRET not in html
    flow.refresh_from_db()
    assert decrypt(flow.secret_ciphertext) == "an earlier one"


OAUTH = {"token_url": "https://example.com/token", "key_id": "client"}


@pytest.mark.parametrize(
    "filled",
    [
        {"kind": "cloudflow", "key_id": "LTAI"},
        {"kind": "callback_url", "hosts": "example.com", "auth": "bearer"},
        {"kind": "callback_url", "hosts": "example.com", "auth": "oauth", **OAUTH},
    ],
)
def test_what_needs_a_secret_is_not_saved_without(administrator, filled):
    data = form(administrator.get(add_url()), name="New", **filled)
    assert administrator.post(add_url(), data).context["adminform"].form.errors["secret"]
    assert administrator.post(add_url(), data | {"secret": SECRET}).status_code == 302
    assert decrypt(Connection.objects.get(name="New").secret_ciphertext) == SECRET


@pytest.mark.parametrize(
    "filled",
    [
        {
            "kind": "step_functions",
            "region": "eu-west-1",
            "role_arn": "arn:aws:iam::123456789012:role/r",
        },
        {"kind": "cloudflow", "region": "cn-hangzhou"},
        {"kind": "callback_url", "hosts": "*.logic.azure.com"},
        # the identity of the machine itself
        {"kind": "callback_url", "hosts": "workflowexecutions.googleapis.com", "auth": "google"},
    ],
)
def test_a_connection_needs_only_what_fits_its_engine(administrator, filled):
    administrator.post(add_url(), form(administrator.get(add_url()), name="New", **filled))
    assert Connection.objects.get(name="New").kind == filled["kind"]


def test_no_page_loads_it(administrator, gate):
    stored = ConnectionFactory(secret_ciphertext=encrypt(SECRET))
    SourceFactory(connection=stored, gate=gate)
    with CaptureQueriesContext(database) as captured:
        administrator.get(reverse("admin:approvals_connection_changelist"))
        administrator.get(reverse("admin:approvals_source_changelist"))
        administrator.get(reverse("admin:approvals_source_add"))
    assert "ciphertext" not in " ".join(query["sql"] for query in captured)
    with CaptureQueriesContext(database) as captured:
        administrator.get(reverse("admin:approvals_connection_change", args=[stored.pk]))
    read = [query["sql"].partition(" FROM ")[0] for query in captured]
    assert "ciphertext" not in " ".join(read)
