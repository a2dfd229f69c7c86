"""MESSAGE IN: keeps the task token out of everything that is stored or shown. Pure."""

import re
import string
from base64 import b64encode
from typing import Any
from urllib.parse import quote, unquote

from approvals.engines.base import Handle
from approvals.intake.names import (
    CALLBACK_NAMES,
    TASK_TOKEN_NAMES,
    TOKEN_NAMES,
    URL_NAMES,
    fold,
)
from approvals.tokens import TaskToken

MASK = "[task token]"
DISPLAY_LENGTH = 4_000

_DISPLAY_WINDOW = 64_000
_SHORTEST_BASE64 = 8  # of a shorter piece, every second text would hold one
_RUN = r"A-Za-z0-9+/=_%\\-"  # % and \ since a token may be URL-encoded or escaped
_RUN_CHARACTERS = string.ascii_letters + string.digits + "+/=_%\\-"
_LONG_RUN = re.compile(rf"([{_RUN}]{{6}})[{_RUN}]{{54,}}")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_NEVER_ESCAPED = frozenset(string.ascii_letters + string.digits + "_.-~")
_JSON_ESCAPE = re.compile(r"\\u00([0-9a-fA-F]{2})")
# `"token": "…`, `\"Token\":\"…`, `token=…`: in JSON, broken JSON, JSON in a string, a form, a URL.
_TOKEN_FIELD = re.compile(
    r"""(token[\w-]{0,20}\\*+["']?\s{0,20}[:=]\s{0,20}\\*+["']?)(?!(?:null|true|false)\b)"""
    r"""(?:[^\s"'\\,;&{}\[\]()<>]|\\++[^"'\\])+""",
    re.IGNORECASE,
)


# An address in any writing, up to where it surely ends.
_ADDRESS = re.compile(
    r"""(https?(?::|%(?:25)*3a|\\u003a)(?:\\{0,4}/|%(?:25)*2f|\\u002f){2})([^\s"'<>]*)""",
    re.IGNORECASE,
)
_HOST = re.compile(r"[a-z0-9._:\[\]-]*", re.IGNORECASE)
# What of an address is a secret by itself, wherever it stands.
_SECRET_VALUE = re.compile(
    r"[?&;][\w.-]*(?:sig|token|code|key|secret|auth|hmac|jwt|pass)[\w.-]*=([^&;]{8,})",
    re.IGNORECASE,
)
_SHORTEST_TARGET = 16  # of a shorter path, too many texts would hold one


class Mask:
    """Hides one token, plain, URL-encoded, escaped or in Base64, wherever it turns up.

    Where the token is an address, what follows its host is hidden too, and its signature.
    """

    def __init__(self, token: TaskToken, handle: Handle = Handle.TOKEN) -> None:
        text = token.reveal()
        self._is_url = handle is Handle.URL
        self._secrets = _secrets_of(text) if self._is_url else (text,)
        forms = {form for secret in self._secrets for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)
        self._shortest = min(map(len, self._forms))

    def __repr__(self) -> str:
        return "Mask(…)"

    def text(self, text: str) -> str:
        """`text` as it may be stored: no token, and nothing that PostgreSQL refuses."""
        text = storable(text)
        if len(text) < self._shortest:
            return text
        for form in self._forms:
            text = text.replace(form, MASK)
        return MASK if self._is_disguised_in(text) else text

    def hits(self, text: str) -> bool:
        """Whether there is anything to hide in `text`."""
        return self.text(text) != storable(text)

    def value(self, value: Any, under: str = "") -> Any:
        """A JSON value with every string and key masked; `under` is the key it stands at.

        Other steps' handles (a parent workflow's, handed on in the input) are hidden as well, by
        the names they go by.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            names = self._names_of_handles(fold(under))
            return {
                self.text(key): MASK
                if isinstance(item, str) and fold(key) in names
                else self.value(item, key)
                for key, item in value.items()
            }
        return value

    def _names_of_handles(self, under: str) -> frozenset[str]:
        names = TOKEN_NAMES if under == "task" else TASK_TOKEN_NAMES
        if not self._is_url:
            return names
        return names | URL_NAMES | ({"url"} if under in CALLBACK_NAMES else frozenset())

    def _is_disguised_in(self, text: str) -> bool:
        """Whether the token shows once odd escapes are undone; its place is then not known."""
        if "%" in text:
            once = unquote(text)
            if self._is_in(once) or self._is_in(unquote(once)):
                return True
        if "\\" in text:
            plain = _JSON_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
            return self._is_in(plain) or self._is_in(plain.replace("\\", ""))
        return False

    def _is_in(self, text: str) -> bool:
        return any(secret in text for secret in self._secrets)


def _secrets_of(url: str) -> tuple[str, ...]:
    """An address, and the parts of it that would let others answer."""
    rest = url.partition("://")[2]
    host = _HOST.match(rest)
    target = rest[host.end() :] if host else rest
    secrets = [url] + ([target] if len(target) >= _SHORTEST_TARGET else [])
    secrets += _SECRET_VALUE.findall(url)
    secrets += [unquote(value) for value in _SECRET_VALUE.findall(url)]
    secrets += [secret.replace("&", "&amp;") for secret in secrets]
    return tuple(dict.fromkeys(secrets))


def _forms(token: str) -> tuple[str, ...]:
    """The ways in which `token` is usually written, the longest first."""
    forms = {token, token.replace("+", "-").replace("/", "_")}
    forms |= {_escaped(token, safe, lower) for safe in ("", "/") for lower in (False, True)}
    raw = token.encode()
    pieces = {b64encode(raw).decode()}
    for before in range(3):  # bytes that stand before the token in a longer Base64 text, modulo 3
        first, last = -(-8 * before // 6), 8 * (before + len(raw)) // 6
        pieces.add(b64encode(bytes(before) + raw).decode()[first:last])
    pieces |= {piece.replace("+", "-").replace("/", "_") for piece in pieces}
    forms |= {piece for piece in pieces if len(piece) >= _SHORTEST_BASE64}
    return tuple(sorted(forms, key=len, reverse=True))


def _escaped(token: str, safe: str, lower: bool) -> str:
    """URL-encoded; ten times faster than `quote` on a long token, since few characters change."""
    special = set(token) - _NEVER_ESCAPED - set(safe)
    for character in sorted(special, key=lambda character: character != "%"):  # % goes first
        escape = quote(character, safe="")
        token = token.replace(character, escape.lower() if lower else escape)
    return token


def storable(text: str) -> str:
    """`text` without NUL and lone surrogates, which PostgreSQL refuses; U+FFFD stands for each."""
    if text.isascii() and "\x00" not in text:
        return text
    return _NOT_STORABLE.sub("\ufffd", text)


def masked(body: str | bytes, token: TaskToken | None = None, handle: Handle = Handle.TOKEN) -> str:
    """A body that was not understood, for an operator's eyes: at most 4,000 characters.

    Since nobody knows where its token is, the value of every field named like a token is hidden,
    and every unbroken run of 60 or more of a token's characters is cut to its first six. Where
    tokens are addresses, every address is cut behind its host.
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    if len(text) > _DISPLAY_WINDOW:
        # No half token may stay at the end, too short to be recognised.
        text = text[:_DISPLAY_WINDOW].rstrip(_RUN_CHARACTERS)
    # NULs go altogether: what is left of UTF-16 is then readable, hence recognisable.
    text = storable(text.replace("\x00", ""))
    if token is not None:
        text = Mask(token, handle).text(text)
    if handle is Handle.URL:
        text = _ADDRESS.sub(_cut_address, text)
    text = _TOKEN_FIELD.sub(rf"\g<1>{MASK}", text)
    text = _LONG_RUN.sub(r"\1…", text)
    return text if len(text) <= DISPLAY_LENGTH else text[: DISPLAY_LENGTH - 1] + "…"


def _cut_address(found: re.Match[str]) -> str:
    host = _HOST.match(found[2])
    end = host.end() if host else 0
    rest = found[2][end:]
    if "@" in rest or "%40" in rest:  # what stands in front of it may be a password
        end = 0
    return f"{found[1]}{found[2][:end]}/…" if rest else found[0]
