"""Who gets what at every address. A route without a row here fails."""

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from approvals.decisions.decide import decide
from approvals.intake.accept import accept
from approvals.models import (
    ApprovalTask,
    AuditEvent,
    Callback,
    Decision,
    Mail,
    QuarantinedMessage,
    Question,
    Source,
    User,
)
from approvals.notices import links
from approvals.states import Verdict
from tests.conftest import person
from tests.factories import SourceFactory, UserFactory, message, task_for
from tests.routes import address, parameters, routes

ROLES = ("anonymous", "other team", "reviewer", "operator", "auditor", "admin")
SIGN_IN = 302  # to the sign-in, checked below

# GET, in the order of ROLES.
OURS: dict[str, tuple[int, ...]] = {
    "": (SIGN_IN, 200, 200, 200, 200, 200),
    "tasks/several/": (SIGN_IN, *[400] * 5),  # it wants a verdict
    "tasks/several/undo/": (405,) * 6,
    "tasks/<uuid:task_id>/": (SIGN_IN, 404, 200, 200, 200, 200),
    "tasks/<uuid:task_id>/payload.json": (SIGN_IN, 404, 200, 200, 200, 200),
    # Asking to decide what is not theirs to decide: the page, with the reason.
    "tasks/<uuid:task_id>/decide/": (SIGN_IN, 404, 200, 409, 409, 409),
    "tasks/<uuid:task_id>/key/": (405,) * 6,
    "tasks/<uuid:task_id>/undo/": (405,) * 6,
    "tasks/<uuid:task_id>/hand-over/": (SIGN_IN, 404, 200, 409, 409, 409),
    "tasks/<uuid:task_id>/ask/": (SIGN_IN, 404, 200, 409, 409, 409),
    "tasks/<uuid:task_id>/answer/<int:question_id>/": (SIGN_IN, 404, 200, 404, 404, 404),
    **{f"tasks/<uuid:task_id>/{act}/": (405,) * 6 for act in ("take-back", "claim", "release")},
    "tasks/<uuid:task_id>/who/": (SIGN_IN, 404, 200, 200, 200, 200),
    "gates/<slug:slug>/who/": (SIGN_IN, 404, 200, 200, 200, 200),
    # A link nobody was sent; one that Alice was: the page says for whom it is.
    "l/<str:secret>/": (404,) * 6,
    "links/(?P<fingerprint>[0-9a-f]{64})/": (SIGN_IN, 403, 200, 403, 403, 403),
    "preferences/": (SIGN_IN, 200, 200, 200, 200, 200),
    "preferences/absence/": (405,) * 6,
    "favicon.svg": (200,) * 6,
    "ledger/": (SIGN_IN, 403, 403, 403, 200, 200),
    "ledger/export.csv": (SIGN_IN, 403, 403, 403, 200, 200),
    "operations/": (SIGN_IN, 403, 403, 200, 403, 200),
    "operations/quarantine/": (SIGN_IN, 403, 403, 200, 403, 200),
    "operations/quarantine/replay/": (SIGN_IN, 403, 403, 405, 403, 405),
    "operations/quarantine/<uuid:message_id>/": (SIGN_IN, 403, 403, 200, 403, 200),
    "operations/callbacks/<uuid:callback_id>/send/": (SIGN_IN, 403, 403, 405, 403, 405),
    "operations/callbacks/<uuid:callback_id>/set-aside/": (SIGN_IN, 403, 403, 405, 403, 405),
    "operations/mails/<uuid:mail_id>/send/": (SIGN_IN, 403, 403, 405, 403, 405),
    "operations/mails/<uuid:mail_id>/set-aside/": (SIGN_IN, 403, 403, 405, 403, 405),
    "operations/quarantine/<uuid:message_id>/replay/": (SIGN_IN, 403, 403, 405, 403, 405),
    "operations/quarantine/<uuid:message_id>/discard/": (SIGN_IN, 403, 403, 405, 403, 405),
    # For outside jobs: keys alone let in, whoever is signed in (tests/api).
    "api/v1/": (404,) * 6,
    "api/v1/openapi.json": (200,) * 6,
    "api/v1/gates/<slug>/claim": (405,) * 6,
    "api/v1/tasks/<task_id>": (401,) * 6,
    **{
        f"api/v1/tasks/<task_id>/{said}": (405,) * 6
        for said in ("success", "failure", "heartbeat", "progress")
    },
    # For callers of sources: they POST, and show a key.
    "in/<uuid:address>/": (405,) * 6,
    "oauth/token": (405,) * 6,
    "health/live": (200,) * 6,
    "health/ready": (200,) * 6,
}

# allauth's, as configured here: no signing up, no mails, no addresses of one's own.
ANYBODY, PEOPLE, SIGNED_OUT = (200,) * 6, (302, *[200] * 5), (200, *[302] * 5)
ELSEWHERE, MOVED, NOTHING, NOT_YET = (302,) * 6, (301,) * 6, (404,) * 6, (302, *[404] * 5)
ACCOUNTS: dict[str, tuple[int, ...]] = {
    "accounts/login/": SIGNED_OUT,
    "accounts/logout/": PEOPLE,
    "accounts/inactive/": ANYBODY,
    "accounts/signup/": SIGNED_OUT,  # where it says that there is none
    "accounts/reauthenticate/": PEOPLE,
    "accounts/email/": ANYBODY,  # "ask an administrator", as is the next
    "accounts/password/reset/": ANYBODY,
    "accounts/password/reset/done/": ANYBODY,
    "accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/": ANYBODY,
    "accounts/password/reset/key/done/": ANYBODY,
    "accounts/password/change/": PEOPLE,
    "accounts/password/set/": ELSEWHERE,
    "accounts/confirm-email/": ANYBODY,
    r"accounts/confirm-email/(?P<key>[-:\w]+)/": ANYBODY,
    "accounts/login/code/confirm/": ELSEWHERE,
    "accounts/2fa/": PEOPLE,
    "accounts/2fa/authenticate/": ELSEWHERE,
    "accounts/2fa/reauthenticate/": ELSEWHERE,
    "accounts/2fa/totp/activate/": ELSEWHERE,  # the password comes first
    "accounts/2fa/totp/deactivate/": NOT_YET,
    "accounts/2fa/recovery-codes/": NOT_YET,
    "accounts/2fa/recovery-codes/generate/": ELSEWHERE,
    "accounts/2fa/recovery-codes/download/": NOT_YET,
    "accounts/2fa/webauthn/": PEOPLE,
    "accounts/2fa/webauthn/add/": ELSEWHERE,
    "accounts/2fa/webauthn/reauthenticate/": ELSEWHERE,
    "accounts/2fa/webauthn/keys/<int:pk>/remove/": ELSEWHERE,
    "accounts/2fa/webauthn/keys/<int:pk>/edit/": ELSEWHERE,
    "accounts/3rdparty/": PEOPLE,
    "accounts/3rdparty/login/cancelled/": ANYBODY,
    "accounts/3rdparty/login/error/": (401,) * 6,
    "accounts/3rdparty/signup/": ELSEWHERE,
    "accounts/social/login/cancelled/": MOVED,
    "accounts/social/login/error/": MOVED,
    "accounts/social/signup/": MOVED,
    "accounts/social/connections/": MOVED,
    "accounts/oidc/(?P<provider_id>[^/]+)/login/": NOTHING,  # no provider is configured
    "accounts/oidc/(?P<provider_id>[^/]+)/login/callback/": NOTHING,
}

# The admin's: administrators come in, everybody else is asked to sign in or told that they may
# not. What is configured can be changed there, what is a record only looked at.
CONFIGURED = ("approvals/gate", "approvals/calendar", "approvals/source", "approvals/connection",
              "approvals/user", "auth/group")  # fmt: skip
RECORDS = ("approvals/approvaltask", "approvals/decision", "approvals/callback",
           "approvals/heartbeat", "approvals/auditevent", "approvals/mail", "approvals/notice",
           "approvals/quarantinedmessage")  # fmt: skip
PAGES = ("", "add/", "<path:object_id>/", "<path:object_id>/history/", "<path:object_id>/delete/",
         "<path:object_id>/change/")  # fmt: skip
ADMIN = {
    *(f"admin/{model}/{page}" for model in CONFIGURED + RECORDS for page in PAGES),
    "admin/", "admin/login/", "admin/logout/", "admin/password_change/",
    "admin/password_change/done/", "admin/autocomplete/", "admin/jsi18n/",
    "admin/approvals/approvaltask/<uuid:task_id>/decide/",
    "admin/approvals/source/<int:id>/keys/new/",
    "admin/approvals/source/<int:id>/keys/<int:pk>/revoke/",
    "admin/approvals/gate/<int:id>/keys/new/",
    "admin/approvals/gate/<int:id>/keys/<int:pk>/revoke/",
    "admin/r/<path:content_type_id>/<path:object_id>/", "admin/approvals/user/<id>/password/",
    "admin/(?P<app_label>approvals|auth)/", "admin/(?P<url>.*)",
}  # fmt: skip


@pytest.fixture
def clients(
    alice: User, charlie: User, olive: User, audrey: User, ada: User, signed_in: Any
) -> dict[str, Client]:
    users = dict(zip(ROLES[1:], (charlie, alice, olive, audrey, ada), strict=True))
    found = {"anonymous": Client()} | {name: signed_in(user) for name, user in users.items()}
    for client in found.values():
        client.raise_request_exception = False
    return found


@pytest.fixture
def objects(gate: Any, source: Any, alice: User) -> dict[str, Any]:
    """A settled task with its callback, a pending one, a held message."""
    accept(source, ["not json"])
    settled = task_for(gate)
    decide(settled.pk, person(alice), Verdict.APPROVE, via=Decision.Via.INBOX)
    pending = task_for(gate)
    dora = UserFactory(groups=["Payments"])
    question = Question.objects.create(task=pending, asked_by=dora, asked=alice, text="Is it?")
    bounced = Mail.objects.create(person=alice, address=alice.email, status="bounced")
    link = links.address(bounced, pending, alice).split("/")[-2]
    return parameters() | {
        "fingerprint": hashlib.sha256(link.encode()).hexdigest(),
        "question_id": question.pk,
        "colleague": dora.pk,
        "task_id": pending.pk,
        "callback_id": Callback.objects.get().pk,
        "message_id": QuarantinedMessage.objects.get().pk,
        "mail_id": bounced.pk,
    }


def test_every_route_has_a_row():
    assert set(routes()) == {*OURS, *ACCOUNTS, *ADMIN}


@pytest.mark.parametrize("route", [*OURS, *ACCOUNTS])
def test_each_role_gets_what_its_row_says(route, clients, objects):
    url = address(route, objects)
    query = "?verdict=approve" if route.endswith("decide/") else ""
    got = {name: client.get(url + query) for name, client in clients.items()}
    row = (OURS | ACCOUNTS)[route]
    assert tuple(answer.status_code for answer in got.values()) == row
    if route in OURS and row[0] == SIGN_IN:
        assert got["anonymous"]["Location"].startswith("/accounts/login/?next=/")


@pytest.mark.parametrize("route", sorted(ADMIN))
def test_the_admin_lets_administrators_in_and_nobody_else(route, clients, objects):
    url = address(route, objects)
    for name in ROLES[:-1]:
        answer = clients[name].get(url)
        if answer.status_code == 302:
            # Signing out leads to the front page of the admin, and so to the sign-in.
            to = ("/admin/login/", "/accounts/login/", *["/admin/"] * (route == "admin/logout/"))
            assert answer["Location"].startswith(to), name
        else:
            assert answer.status_code in (403, 404, 405), name
    assert clients["admin"].get(url, follow=True).status_code < 500


@pytest.mark.parametrize("model", CONFIGURED)
def test_administrators_reach_the_configuration(model, clients):
    assert clients["admin"].get(f"/admin/{model}/").status_code == 200
    assert clients["admin"].get(f"/admin/{model}/add/").status_code == 200


@pytest.mark.parametrize("model", RECORDS)
@pytest.mark.parametrize("action", ["add", "1/change", "1/delete"])
def test_records_are_never_changed_in_the_admin(model, action, clients, objects, ada):
    for superuser in (False, True):
        User.objects.filter(pk=ada.pk).update(is_superuser=superuser)
        answer = clients["admin"].post(f"/admin/{model}/{action}/", {"status": "x"})
        assert answer.status_code in (302, 403, 404)
        assert not answer.has_header("Location") or answer["Location"] == "/admin/"


POSTS = {
    # Administrators who are no reviewers read why they may not.
    "admin/approvals/approvaltask/<uuid:task_id>/decide/": ({"verdict": "approve"}, set()),
    "tasks/<uuid:task_id>/decide/": ({"verdict": "approve"}, {"reviewer"}),
    "tasks/<uuid:task_id>/undo/": ({}, set()),  # nothing is decided yet
    "tasks/several/undo/": ({"batch": "{message_id}"}, set()),  # nor by this form
    "links/(?P<fingerprint>[0-9a-f]{64})/": ({"verdict": "approve"}, {"reviewer"}),
    "tasks/<uuid:task_id>/key/": ({}, set()),  # a task that waits for people needs no key
    "tasks/<uuid:task_id>/hand-over/": ({"person": "{colleague}"}, {"reviewer"}),
    "tasks/<uuid:task_id>/take-back/": ({}, set()),  # nobody has handed it over
    "tasks/<uuid:task_id>/claim/": ({}, {"reviewer"}),
    "tasks/<uuid:task_id>/release/": ({}, set()),  # nobody has claimed it
    "tasks/<uuid:task_id>/ask/": ({"person": "{colleague}", "text": "x"}, {"reviewer"}),
    "tasks/<uuid:task_id>/answer/<int:question_id>/": ({"text": "x"}, {"reviewer"}),
    "preferences/absence/": ({}, set(ROLES[1:])),
    "operations/callbacks/<uuid:callback_id>/send/": ({}, {"operator", "admin"}),
    "operations/callbacks/<uuid:callback_id>/set-aside/": ({"reason": "x"}, {"operator", "admin"}),
    "operations/mails/<uuid:mail_id>/send/": ({}, {"operator", "admin"}),
    "operations/mails/<uuid:mail_id>/set-aside/": ({"reason": "x"}, {"operator", "admin"}),
    "operations/quarantine/replay/": ({}, {"operator", "admin"}),
    "operations/quarantine/<uuid:message_id>/replay/": ({}, {"operator", "admin"}),
    "operations/quarantine/<uuid:message_id>/discard/": ({"reason": "x"}, {"operator", "admin"}),
}


def _changes() -> tuple[int, ...]:
    return (
        AuditEvent.objects.exclude(action="signed_in").count(),
        Decision.objects.count(),
        QuarantinedMessage.objects.filter(status="held").count(),
    )


@pytest.mark.parametrize("route", POSTS)
def test_only_those_who_may_can_act(route, clients, objects):
    given, may = POSTS[route]
    data = {name: text.format(**objects) for name, text in given.items()}
    url = address(route, objects)
    for name, client in clients.items():
        if name in may:
            continue
        before = _changes()
        answer = client.post(url, data)
        assert answer.status_code in (302, 403, 404, 409), name
        assert _changes() == before, name
    for name in may:
        assert clients[name].post(url, data).status_code < 400


@pytest.mark.parametrize("route", POSTS)
def test_nothing_is_done_without_the_forms_secret(route, alice, ada, signed_in, objects):
    before = _changes()
    for user in (alice, ada):
        client = signed_in(user, enforce_csrf_checks=True)
        assert client.post(address(route, objects), POSTS[route][0]).status_code == 403
    assert _changes() == before


def test_being_signed_in_opens_no_address_of_a_source(clients, objects):
    sources = {auth: SourceFactory(kind="webhook", auth=auth) for auth in Source.Auth.values}
    before = _changes(), ApprovalTask.objects.count()
    for client in clients.values():
        for auth, source in sources.items():
            source.refresh_from_db()
            url = address("in/<uuid:address>/", {"address": source.address})
            answer = client.post(url, message(), content_type="application/json")
            assert answer.status_code == (403 if auth == Source.Auth.SNS else 401), auth
        grant = {"grant_type": "client_credentials"}
        form = "application/x-www-form-urlencoded"
        assert client.post("/oauth/token", urlencode(grant), content_type=form).status_code == 401
    assert (_changes(), ApprovalTask.objects.count()) == before


def test_loading_every_page_changes_nothing(clients, objects):
    before = _changes(), list(ApprovalTask.objects.values_list("status", "approvals"))
    urls = [address(route, objects) for route in routes()]
    for client in clients.values():
        for url in urls:
            if "logout" in url:
                continue
            for query in ("", "?verdict=approve", "?verdict=reject&comment=x"):
                client.get(url + query)
            client.head(url)
            client.options(url)
    assert (_changes(), list(ApprovalTask.objects.values_list("status", "approvals"))) == before
