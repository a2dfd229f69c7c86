"""What every page's template may use."""

import time
from dataclasses import dataclass
from functools import lru_cache, partial

from django.db import connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from approvals.people.roles import AUDIT, OPERATE

KEPT = 20  # seconds
_ROOMS = (  # name, icon, address, who: anybody, holders of a permission, staff
    ("Inbox", "inbox", "inbox", ""),
    ("Ledger", "scroll-text", "ledger", AUDIT),
    ("Operations", "activity", "operations", OPERATE),
    ("Configuration", "sliders-horizontal", "admin:index", "staff"),
)
# What `has_perm` says, in one query instead of two.
_PERMISSIONS = """
    SELECT c.app_label || '.' || p.codename
      FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
     WHERE c.app_label || '.' || p.codename = ANY(%(wanted)s)
       AND (p.id IN (SELECT permission_id FROM approvals_user_user_permissions
                      WHERE user_id = %(me)s)
            OR p.id IN (SELECT gp.permission_id FROM auth_group_permissions gp
                          JOIN approvals_user_groups ug ON ug.group_id = gp.group_id
                         WHERE ug.user_id = %(me)s))"""


@dataclass(frozen=True, slots=True)
class NavEntry:
    name: str
    icon: str
    url: str
    is_here: bool


def site(request: HttpRequest) -> dict[str, object]:
    return {
        "person": getattr(request, "person", None),
        "nav": SimpleLazyObject(partial(_nav, request)),
        "initials": SimpleLazyObject(partial(_initials, request)),
    }


def _nav(request: HttpRequest) -> list[NavEntry]:
    """The rooms this user may enter. Only what is shown: every page checks for itself."""
    match = request.resolver_match
    here = match.view_name if match else ""
    if here in ("task", "decide", "job_key"):
        here = "inbox"
    elif here in ("quarantine", "quarantined_message"):
        here = "operations"
    may = _may(request.user.pk, request.user.is_superuser, int(time.monotonic() // KEPT))
    if request.user.is_staff:
        may |= {"staff"}
    return [
        NavEntry(name, icon, url, is_here=url_name == here)
        for name, icon, url_name, url in _entries(may)
    ]


@lru_cache(maxsize=1024)
def _may(user_id: int, is_superuser: bool, period: int) -> frozenset[str]:
    """What of `_ROOMS` is open, kept for a `period`: a new role shows there within seconds."""
    if is_superuser:
        return frozenset({"", AUDIT, OPERATE})
    with connection.cursor() as cursor:
        cursor.execute(_PERMISSIONS, {"me": user_id, "wanted": [AUDIT, OPERATE]})
        return frozenset({"", *(name for (name,) in cursor.fetchall())})


@lru_cache(maxsize=16)
def _entries(may: frozenset[str]) -> list[tuple[str, str, str, str]]:
    return [
        (name, icon, url_name, reverse(url_name))
        for name, icon, url_name, who in _ROOMS
        if who in may
    ]


def _initials(request: HttpRequest) -> str:
    """One or two letters for the round mark beside the name."""
    words = str(request.user).replace(".", " ").replace("_", " ").split()
    return "".join(word[0] for word in (*words[:1], *words[1:][-1:])).upper() or "?"
