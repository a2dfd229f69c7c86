"""What the inbox's tests share: a web client of Alice, and how to read a list."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from approvals.models import User

ROW = re.compile(r'id="row-([0-9a-f-]{36})"')


@pytest.fixture
def web(alice: User, signed_in: Callable[..., Client]) -> Client:
    return signed_in(alice)


def ids_on(page: bytes) -> list[str]:
    """The tasks in the list, from top to bottom."""
    return ROW.findall(page.decode())
