"""ADMIN, its frame: our sign-in, which knows limits, MFA and OIDC, and our pages alone."""

from collections.abc import Iterable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import AdminSite, ModelAdmin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

GROUPS = {
    "Configuration": ("Gate", "Calendar", "Source", "Connection", "User", "Group"),
    "Records": (
        "ApprovalTask",
        "Decision",
        "Callback",
        "Heartbeat",
        "Notice",
        "Mail",
        "QuarantinedMessage",
        "AuditEvent",
    ),
}


class Site(AdminSite):
    site_header = site_title = "Countersign"
    index_title = "Configuration and records"
    site_url = "/"

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return secure_admin_login(super().login)(request, extra_context=extra_context)

    def password_change(  # type: ignore[override]  # a redirect, not a page
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Where it asks for the old one, and counts tries."""
        return redirect("account_change_password")

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Two groups for people, whatever apps the models come from."""
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        models = {model["object_name"]: model for app in apps for model in app["models"]}
        url = reverse("admin:app_list", args=["approvals"])
        return [
            {
                "name": name,
                "app_label": name.lower(),
                "app_url": url,
                "has_module_perms": True,
                "models": [models[noun] for noun in nouns if noun in models],
            }
            for name, nouns in GROUPS.items()
            if any(noun in models for noun in nouns)
        ]

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin] | None = None,
        **options: Any,
    ) -> None:
        """Other apps would add pages that show secrets (single sign-on, MFA) and change accounts
        off the record."""
        if admin_class and admin_class.__module__.startswith("approvals."):
            super().register(model_or_iterable, admin_class, **options)
