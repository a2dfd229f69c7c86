"""Every address of ours."""

from django.urls import path, re_path

from approvals.api.v1 import api
from approvals.audit import views as audit
from approvals.inbox import (
    bulk,
    confirm,
    favicon,
    job_key,
    preferences,
    together,
    undo,
    views as inbox,
    who,
)
from approvals.intake import oauth, views as intake
from approvals.notices import views as link
from approvals.operations import health, quarantine, views as operations

urlpatterns = [
    # Inbox
    path("", inbox.inbox, name="inbox"),
    path("tasks/several/", bulk.several, name="several"),
    path("tasks/several/undo/", undo.undo_several, name="undo_several"),
    path("tasks/<uuid:task_id>/", inbox.task, name="task"),
    path("tasks/<uuid:task_id>/decide/", confirm.decide, name="decide"),
    path("tasks/<uuid:task_id>/undo/", undo.undo, name="undo"),
    path("tasks/<uuid:task_id>/key/", job_key.issue, name="job_key"),
    path("tasks/<uuid:task_id>/hand-over/", together.hand_over, name="hand_over"),
    path("tasks/<uuid:task_id>/take-back/", together.take_back, name="take_back"),
    path("tasks/<uuid:task_id>/claim/", together.claim, name="claim"),
    path("tasks/<uuid:task_id>/release/", together.release, name="release"),
    path("tasks/<uuid:task_id>/ask/", together.ask, name="ask"),
    path("tasks/<uuid:task_id>/answer/<int:question_id>/", together.answer, name="answer"),
    path("tasks/<uuid:task_id>/payload.json", inbox.payload_json, name="payload"),
    path("tasks/<uuid:task_id>/who/", who.of_task, name="who_of_task"),
    path("gates/<slug:slug>/who/", who.of_gate, name="who_of_gate"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("preferences/absence/", preferences.absence, name="absence"),
    path("favicon.svg", favicon.favicon, name="favicon"),
    # Links in mails
    path("l/<str:secret>/", link.link, name="link"),
    re_path(r"^links/(?P<fingerprint>[0-9a-f]{64})/$", link.signed_in_link, name="signed_in_link"),
    # Audit
    path("ledger/", audit.show, name="ledger"),
    path("ledger/export.csv", audit.download, name="ledger_export"),
    # Operations
    path("operations/", operations.show, name="operations"),
    path(
        "operations/callbacks/<uuid:callback_id>/send/", operations.send_again, name="callback_send"
    ),
    path(
        "operations/callbacks/<uuid:callback_id>/set-aside/",
        operations.set_aside,
        name="callback_set_aside",
    ),
    path("operations/mails/<uuid:mail_id>/send/", operations.send_mail_again, name="mail_send"),
    path(
        "operations/mails/<uuid:mail_id>/set-aside/",
        operations.set_mail_aside,
        name="mail_set_aside",
    ),
    path("operations/quarantine/", quarantine.show, name="quarantine"),
    path("operations/quarantine/replay/", quarantine.replay_all, name="quarantine_replay_all"),
    path(
        "operations/quarantine/<uuid:message_id>/", quarantine.message, name="quarantined_message"
    ),
    path(
        "operations/quarantine/<uuid:message_id>/replay/",
        quarantine.replay,
        name="quarantine_replay",
    ),
    path(
        "operations/quarantine/<uuid:message_id>/discard/",
        quarantine.discard,
        name="quarantine_discard",
    ),
    # Message in
    path("in/<uuid:address>/", intake.receive, name="intake"),
    path("oauth/token", oauth.token, name="oauth_token"),
    # For machines
    path("api/v1/", api.urls),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
]
