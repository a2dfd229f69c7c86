"""Somebody to click and to read: a reviewer, and their session as the sign-in would make it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # models load once Django has been set up
    from approvals.models import User


def make_reviewer(username: str) -> "User":
    from approvals.models import User

    return User.objects.create_user(username, f"{username}@example.com", first_name=username)


def sign_in(user: "User") -> str:
    """The key of a new session, as the sign-in would make it."""
    from django.contrib.auth import login
    from django.contrib.sessions.backends.db import SessionStore
    from django.http import HttpRequest

    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, backend="allauth.account.auth_backends.AuthenticationBackend")
    request.session.save()
    return str(request.session.session_key)
