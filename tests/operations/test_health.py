"""Machines may ask whether this process lives and whether it may get traffic."""

import pytest
from celery import current_app
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.urls import reverse

from approvals.operations import health


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch):
    monkeypatch.setattr(health, "_migrated", False)
    health._broker.cache_clear()
    yield
    health._broker.cache_clear()


def no_broker(monkeypatch):
    nowhere = current_app.connection_for_write("redis://127.0.0.1:1/0")
    monkeypatch.setattr(current_app, "connection_for_write", lambda: nowhere)


def test_live_asks_nothing(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        response = client.get(reverse("health_live"))
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_ready(client, db):
    response = client.get(reverse("health_ready"))
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "broker": "ok"}
    assert "no-store" in response["Cache-Control"]


def test_without_a_broker_it_is_ready_all_the_same(client, db, monkeypatch):
    no_broker(monkeypatch)
    response = client.get(reverse("health_ready"))
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "broker": "degraded"}


def test_without_its_database_it_is_not_ready(client, db, monkeypatch):
    def down():
        raise OperationalError("connection to server at 10.0.0.7 failed")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", down)
        response = client.get(reverse("health_ready"))
    assert response.status_code == 503
    assert response.json()["database"] == "unavailable"
    assert "10.0.0.7" not in response.content.decode()


def test_before_its_migrations_it_is_not_ready(client, db):
    MigrationRecorder(connection).migration_qs.filter(app="approvals").last().delete()
    response = client.get(reverse("health_ready"))
    assert (response.status_code, response.json()["database"]) == (503, "not migrated")


def test_once_migrated_it_asks_one_query(client, db, django_assert_num_queries):
    client.get(reverse("health_ready"))
    with django_assert_num_queries(1):
        client.get(reverse("health_ready"))


def test_a_probe_can_not_post(client, db):
    assert client.post(reverse("health_ready")).status_code == 405
