"""The door, what the address says: tab, filters and place in the list. Pure; reads anything given.

The address holds the whole view, so that it can be shared and saved. What makes no sense in it is
ignored.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LATEST = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)
_CURSOR = re.compile(r"([0-9a-f]{1,15})-([0-9a-f]{32})")


class Tab(StrEnum):
    MINE = "mine"  # waits for this person's decision
    TEAM = "team"  # all that is pending at this person's gates
    DONE = "done"  # settled, newest first
    JOBS = "jobs"  # what waits for a program instead of a person


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: what the list is sorted by. Its text form is opaque to people."""

    micros: int  # since 1970
    id: UUID

    def __str__(self) -> str:
        return f"{self.micros:x}-{self.id.hex}"

    @property
    def at(self) -> dt.datetime:
        return _EPOCH + dt.timedelta(microseconds=self.micros)

    @classmethod
    def behind(cls, at: dt.datetime, task_id: UUID) -> Self:
        return cls((at - _EPOCH) // dt.timedelta(microseconds=1), task_id)

    @classmethod
    def read(cls, text: str) -> Self | None:
        match = _CURSOR.fullmatch(text)
        if not match:
            return None
        cursor = cls(int(match[1], 16), UUID(hex=match[2]))
        return cursor if cursor.micros <= _LATEST else None


@dataclass(frozen=True, slots=True)
class Address:
    tab: Tab = Tab.MINE
    gate: int | None = None
    workflow: str = ""
    requester: str = ""
    q: str = ""
    after: Cursor | None = None

    @classmethod
    def read(cls, params: Mapping[str, str]) -> Self:
        def text(name: str) -> str:
            return params.get(name, "").replace("\0", "").strip()[:200]

        tab, gate = params.get("tab", ""), params.get("gate", "")
        return cls(
            tab=Tab(tab) if tab in tuple(Tab) else Tab.MINE,
            gate=int(gate) if re.fullmatch(r"[0-9]{1,18}", gate) else None,
            workflow=text("workflow"),
            requester=text("requester"),
            q=text("q"),
            after=Cursor.read(params.get("after", "")),
        )

    @property
    def is_filtered(self) -> bool:
        return bool(self.filters or self.q)

    @property
    def filters(self) -> int:
        """How many filters beside the search are set."""
        return sum(map(bool, (self.gate, self.workflow, self.requester)))

    @property
    def pairs(self) -> dict[str, str]:
        """This view as the fields of a form."""
        given = {
            "tab": "" if self.tab == Tab.MINE else self.tab.value,
            "gate": self.gate,
            "workflow": self.workflow,
            "requester": self.requester,
            "q": self.q,
            "after": self.after,
        }
        return {name: str(value) for name, value in given.items() if value}

    @property
    def query(self) -> str:
        """This view as the end of an address: "" or "?tab=team&gate=2"."""
        return f"?{urlencode(self.pairs)}" if self.pairs else ""

    @property
    def more(self) -> str:
        """The same, to follow another parameter: "" or "&tab=team&gate=2"."""
        return self.query.replace("?", "&", 1)

    def at(self, tab: Tab) -> "Address":
        """The same filters on another tab."""
        return replace(self, tab=tab, after=None)

    def behind(self, cursor: Cursor | None) -> "Address":
        return replace(self, after=cursor)

    def unfiltered(self) -> "Address":
        return Address(tab=self.tab)
