"""Every address of ours."""

from django.urls import path

from approvals.api.v1 import api
from approvals.audit import views as audit
from approvals.inbox import confirm, favicon, job_key, preferences, views as inbox
from approvals.intake import oauth, views as intake
from approvals.operations import health, quarantine, views as operations

urlpatterns = [
    # Inbox
    path("", inbox.inbox, name="inbox"),
    path("tasks/<uuid:task_id>/", inbox.task, name="task"),
    path("tasks/<uuid:task_id>/decide/", confirm.decide, name="decide"),
    path("tasks/<uuid:task_id>/key/", job_key.issue, name="job_key"),
    path("tasks/<uuid:task_id>/payload.json", inbox.payload_json, name="payload"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("favicon.svg", favicon.favicon, name="favicon"),
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
