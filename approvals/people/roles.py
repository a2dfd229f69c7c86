"""The roles beside reviewer, as groups with permissions; made after each migration.

A reviewer needs no role: gates name them. Everything else is one of these, or a group of the
installation's own with the same permissions.
"""

from typing import Any

OPERATORS, AUDITORS, ADMINISTRATORS = "Operators", "Auditors", "Administrators"

# What pages ask for.
SEE_EVERY_TASK = "approvals.view_approvaltask"
OPERATE = "approvals.change_callback"
AUDIT = "approvals.view_auditevent"

_CONFIGURATION = ("gate", "stage", "calendar", "source", "connection", "user")

ROLES: dict[str, list[str]] = {
    OPERATORS: ["view_approvaltask", "change_callback"],
    AUDITORS: ["view_approvaltask", "view_auditevent"],
    ADMINISTRATORS: [
        "view_approvaltask",
        "change_callback",
        "view_auditevent",
        "view_callback",
        "view_decision",
        "view_quarantinedmessage",
        "view_heartbeat",
        "view_mail",
        "view_notice",
        *(f"{verb}_{noun}" for noun in _CONFIGURATION for verb in ("add", "change", "view")),
        "delete_stage",  # a part of its gate
    ],
}


def make_roles(**kwargs: Any) -> None:
    """`post_migrate`: the groups exist and hold at least their permissions."""
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission

    create_permissions(kwargs["sender"], verbosity=0, using=kwargs["using"])
    for name, codenames in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(
            *Permission.objects.filter(content_type__app_label="approvals", codename__in=codenames)
        )
