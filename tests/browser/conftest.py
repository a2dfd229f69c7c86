"""Debian's Chromium, driven by Playwright, against the real application and its real processes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

from approvals.models import User
from demo.people import PEOPLE
from tests.processes.conftest import start, worker  # noqa: F401 - fixtures

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
# Root in a sandbox of its own; and no talk with the vendor's hosts.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.django_db(transaction=True))
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="there is no Chromium"))


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": CHROMIUM, "args": QUIET}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Nothing fades: axe would measure the colours of a moment in between."""
    return {**browser_context_args, "reduced_motion": "reduce"}


@pytest.fixture(scope="session", autouse=True)
def _built_css() -> None:
    call_command("build_css", verbosity=0)


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser complained about: refused scripts and styles, errors, failed loads."""
    found: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.fixture
def let_in(live_server: Any) -> Callable[[BrowserContext, User], None]:
    """Give a browser the session of somebody who has signed in."""

    def let(context: BrowserContext, user: User) -> None:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        [session] = client.cookies.values()
        context.add_cookies([{"name": session.key, "value": session.value, "url": live_server.url}])

    return let


def sign_in(page: Page, address: str, username: str) -> None:
    """One of the demo's people, by the form."""
    password = next(one.password for one in PEOPLE if one.username == username)
    page.goto(f"{address}/accounts/login/")
    page.get_by_label("User name or email").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/")
