"""Somebody at each height of the admin."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from approvals.models import User
from tests.factories import UserFactory


@pytest.fixture
def administrator(signed_in: Callable[..., Client], ada: User) -> Client:
    return signed_in(ada)


@pytest.fixture
def root(db: None) -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def superuser(signed_in: Callable[..., Client], root: User) -> Client:
    return signed_in(root)


def form(response: Any, **changes: Any) -> dict[str, Any]:
    """What a browser would send from this admin page, with `changes`."""
    data = _sent(response.context["adminform"].form)
    for inline in response.context.get("inline_admin_formsets") or ():
        for part in (inline.formset.management_form, *inline.formset.forms):
            data |= _sent(part)
    return {**data, **changes}


def _sent(fields: Any) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name in fields.fields:
        value = fields[name].value()
        if value is None or value is False:
            continue
        if isinstance(value, list | tuple | set):
            value = [getattr(item, "pk", item) for item in value]
        data[fields.add_prefix(name)] = getattr(value, "pk", value)
    return data
