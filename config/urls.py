"""The root of all addresses."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

from config.env import ANYMAIL_WEBHOOK_SECRET, DEMO

# Addresses and passwords are looked after by administrators: a message names its requester by
# email, so nobody may give themselves another one.
ask_an_administrator = TemplateView.as_view(template_name="account/ask_an_administrator.html")

urlpatterns = [
    path("", include("approvals.urls")),
    path("accounts/email/", ask_an_administrator),
    path("accounts/password/reset/", ask_an_administrator),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    *([path("demo/", include("demo.urls"))] if DEMO else []),
    # Where a mail provider reports what bounced.
    *([path("anymail/", include("anymail.urls"))] if ANYMAIL_WEBHOOK_SECRET else []),
]
