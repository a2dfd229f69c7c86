"""The app and its admin, as Django loads them."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class ApprovalsConfig(AppConfig):
    name = "approvals"
    verbose_name = "Countersign"

    def ready(self) -> None:
        from anymail.signals import tracking
        from django.contrib.auth.signals import user_logged_in, user_login_failed
        from django.db.models.signals import post_migrate

        from approvals import checks  # noqa: F401 - registers them
        from approvals.admin import pages  # noqa: F401 - registers them
        from approvals.audit import sign_in
        from approvals.notices import bounces
        from approvals.people.roles import make_roles

        post_migrate.connect(make_roles, sender=self)
        user_logged_in.connect(sign_in.signed_in)
        user_login_failed.connect(sign_in.sign_in_failed)
        tracking.connect(bounces.hear)


class AdminConfig(DjangoAdminConfig):
    default_site = "approvals.admin.site.Site"
