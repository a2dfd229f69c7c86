"""CALLBACK OUT, meanwhile: what a step's times mean for us. Pure."""

import datetime as dt

from approvals.engines.registry import kind_of
from approvals.models import Connection

# Of HeartbeatSeconds: the gap stays below half of it with jitter and a busy second added.
HEARTBEAT_SHARE = 0.4
# Past the deadline by our clock, before the engine is asked whether it thinks so too.
EXPIRY_GRACE = dt.timedelta(seconds=2)


def seconds_between_heartbeats(
    connection: Connection, execution_id: str, heartbeat_seconds: int | None
) -> float | None:
    """A step that asks for heartbeats gets them; any other is asked now and then if it waits."""
    if not kind_of(connection.kind).can_be_asked(execution_id):
        return None
    return heartbeat_seconds * HEARTBEAT_SHARE if heartbeat_seconds else connection.probe_seconds
