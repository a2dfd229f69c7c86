"""DEMO: its own addresses, which are there only while it runs."""

from django.urls import path, re_path

from demo import views

urlpatterns = [
    path("mails/", views.mailbox, name="demo_mails"),
    re_path(r"^mails/(?P<name>[0-9a-f]{32})/$", views.mail, name="demo_mail"),
    re_path(r"^mails/(?P<name>[0-9a-f]{32})/html/$", views.mail_html, name="demo_mail_html"),
]
