"""Where a secret could show, and how to look for it in every spelling."""

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from django.db import connection


def spellings(secret: str) -> set[str]:
    """The secret as it may be written: plain, in JSON, in an address, in hex, in Base64."""
    raw = secret.encode()
    found = {
        secret,
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        raw.hex(),
        raw.hex().upper(),
    }
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            # Without the characters that depend on what stands before and behind.
            text = encode(b"\0" * shift + raw).decode().rstrip("=")
            found.add(text[(0, 2, 3)[shift] : -1])
    return found


def leaks(secret: str, places: Iterable[tuple[str, str]]) -> list[str]:
    """The names of the places in which `secret` stands in any spelling."""
    wanted = spellings(secret)
    return [name for name, text in places if any(one in text for one in wanted)]


def database() -> Iterable[tuple[str, str]]:
    """Each row of each table, as a dump would write it."""
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')
            for number, (row,) in enumerate(cursor.fetchall()):
                yield f"{table}, row {number}", row
