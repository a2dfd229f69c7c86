"""Celery: three queues and beat's schedule. Jobs are nudges; PostgreSQL is the truth."""

import os

from celery import Celery
from celery.signals import setup_logging, task_prerun

from config.env import BROKER_URL
from config.pulse import Pulse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

CALLBACKS, HEARTBEATS, MAILS = "callbacks", "heartbeats", "mails"

app = Celery("countersign", broker=BROKER_URL)
app.conf.update(
    broker_connection_retry_on_startup=True,
    # A web request never waits for a broker that is gone: the sweep finds what was missed.
    broker_transport_options={
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        "max_retries": 0,
    },
    task_publish_retry=False,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue=CALLBACKS,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    enable_utc=True,
    timezone="UTC",
    # Nothing is remembered between two lives of beat: what is due, PostgreSQL knows.
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={
        # `expires`: a tick that found its worker busy is worth nothing once the next one is due.
        name: {"task": f"approvals.{name}", "schedule": seconds, "options": {"expires": seconds}}
        for name, seconds in {
            "sweep_callbacks": 5.0,
            "reconcile_callbacks": 10.0,
            "expire_tasks": 5.0,
            "read_definitions": 5.0,
            "make_final": 1.0,
            "fire_timers": 5.0,
            "send_heartbeats": 1.0,
            "forget_ended_executions": 3600.0,
            "tell_people": 2.0,
            "forget_mails": 3600.0,
        }.items()
    },
    task_routes={
        "approvals.send_heartbeats": {"queue": HEARTBEATS},
        "approvals.tell_people": {"queue": MAILS},
        "approvals.forget_mails": {"queue": MAILS},
    },
    # Threads keep their database connection between jobs; Celery would close it after each.
    CELERY_DB_REUSE_MAX=1_000_000_000,
)


app.autodiscover_tasks(related_name="jobs")
app.steps["worker"].add(Pulse)


@setup_logging.connect
def _keep_django_logging(**kwargs: object) -> None:
    """Celery leaves logging alone where somebody listens here: Django has configured it."""


@task_prerun.connect
def _check_connection(**kwargs: object) -> None:
    """A kept connection that PostgreSQL has closed meanwhile is replaced before the job."""
    from django.db import close_old_connections

    close_old_connections()
