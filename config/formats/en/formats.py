"""Dates and times on pages that do not say how: exact to the second, with the zone."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i:s T"
