"""The admin's frame: its own sign-in is replaced by ours, which knows limits, MFA and OIDC."""

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import AdminSite


class Site(AdminSite):
    site_header = site_title = "Countersign"
    index_title = "Configuration"
    site_url = "/"

    login = secure_admin_login(AdminSite.login)
