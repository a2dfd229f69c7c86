"""What `manage.py doctor` found about a source or a connection. Imports nothing of ours."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but not all of it, or not for long
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried: what came of it, and what to do where it is not well."""

    level: Level
    what: str  # one sentence; never a secret
    mend: str = ""
