"""The fixed cast and what every test may use.

Alice and Bob are in the team that reviews; Charlie is in another team; Dora requests. Olive
operates, Audrey audits, Ada administers.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, TransactionTestCase

from approvals.inbox import context
from approvals.models import Gate, Source, User
from approvals.people.eligibility import Person
from approvals.people.roles import ADMINISTRATORS, AUDITORS, OPERATORS
from tests.emptying import emptier
from tests.factories import GateFactory, SourceFactory, UserFactory


def pytest_configure() -> None:
    # A good password hash takes a third of a second, by intent.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


TEAM, OTHER_TEAM = "Payments", "Platform"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        empty = emptier()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


@pytest.fixture(autouse=True)
def _menu_is_remembered_for_the_whole_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A period that ends in the middle of a test would cost one query more."""
    monkeypatch.setattr(context, "KEPT", 1e9)
    context._may.cache_clear()


@pytest.fixture
def alice(db: None) -> User:
    return UserFactory(username="alice", groups=[TEAM])


@pytest.fixture
def bob(db: None) -> User:
    return UserFactory(username="bob", groups=[TEAM])


@pytest.fixture
def charlie(db: None) -> User:
    return UserFactory(username="charlie", groups=[OTHER_TEAM])


@pytest.fixture
def dora(db: None) -> User:
    return UserFactory(username="dora", groups=[TEAM])


@pytest.fixture
def olive(db: None) -> User:
    return UserFactory(username="olive", groups=[OPERATORS])


@pytest.fixture
def audrey(db: None) -> User:
    return UserFactory(username="audrey", groups=[AUDITORS])


@pytest.fixture
def ada(db: None) -> User:
    return UserFactory(username="ada", is_staff=True, groups=[ADMINISTRATORS])


@pytest.fixture
def source(db: None) -> Source:
    return SourceFactory()


@pytest.fixture
def gate(db: None) -> Gate:
    """Reviewed by the team of Alice, Bob and Dora; one approval is enough."""
    return GateFactory(slug="refunds", name="Refunds", groups=[TEAM])


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A browser of somebody who has signed in."""

    def client_of(user: User, **kwargs: Any) -> Client:
        client = Client(**kwargs)
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return client_of


def person(user: User) -> Person:
    """`user` as a new request sees them."""
    return Person(User.objects.get(pk=user.pk))
