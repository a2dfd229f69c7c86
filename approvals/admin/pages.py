"""ADMIN: imports every page, which registers it. Called when all apps are ready: the package
itself is imported to make the site, before there is one to register at."""

from approvals.admin import (  # noqa: F401
    calendars,
    callbacks,
    connections,
    gates,
    mails,
    people,
    record,
    sources,
    tasks,
)
