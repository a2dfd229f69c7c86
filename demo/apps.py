"""The demo as a Django app, installed where `DEMO` is set: its commands and its seed."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "demo"
