"""Every address of ours."""

from django.urls import path

from approvals.audit import views as audit
from approvals.inbox import confirm, favicon, preferences, views as inbox
from approvals.operations import health, views as operations

urlpatterns = [
    # Inbox
    path("", inbox.inbox, name="inbox"),
    path("tasks/<uuid:task_id>/", inbox.task, name="task"),
    path("tasks/<uuid:task_id>/decide/", confirm.decide, name="decide"),
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
    path(
        "operations/quarantine/<uuid:message_id>/", operations.message, name="quarantined_message"
    ),
    path(
        "operations/quarantine/<uuid:message_id>/replay/",
        operations.replay,
        name="quarantine_replay",
    ),
    path(
        "operations/quarantine/<uuid:message_id>/discard/",
        operations.discard,
        name="quarantine_discard",
    ),
    # For machines
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
]
