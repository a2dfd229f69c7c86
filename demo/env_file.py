"""START-UP: `.local/demo.env`, by which `manage.py` in another terminal finds the running demo.

It holds only what the demo made itself. A DATABASE_URL or AWS key that a person gave stays out of
every file; they give it to the other terminal too.
"""

import base64
import os
import secrets
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from demo.paths import ENV_FILE, SECRETS_FILE


def read(path: Path) -> dict[str, str]:
    """KEY=value lines; empty where there is no file."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return {key: value for key, found, value in (line.partition("=") for line in lines) if found}


def write(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file at once, readable by its owner alone."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{key}={value}\n" for key, value in values.items())
    beside.rename(path)


def forget_earlier_run(environment: MutableMapping[str, str]) -> None:
    """Undo what config/env.py has read from the file of a run that crashed."""
    for key, value in read(ENV_FILE).items():
        if environment.get(key) == value:
            del environment[key]
    ENV_FILE.unlink(missing_ok=True)


def kept_secrets() -> dict[str, str]:
    """The demo's keys: made once, since what is stored is encrypted and signed with them."""
    known = read(SECRETS_FILE)
    new = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "TOKEN_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "TOKEN_DIGEST_KEY": secrets.token_urlsafe(32),
        # of the account in the local CloudFlow
        "DEMO_ALIBABA_KEY_ID": f"LTAI{secrets.token_hex(10)}",
        "DEMO_ALIBABA_SECRET": secrets.token_urlsafe(24),
    }
    if not new.keys() <= known.keys():
        known = new | known
        write(SECRETS_FILE, known)
    return {name: known[name] for name in new}


def kept(name: str) -> str:
    """A secret that `keep` has kept; blank where it has not."""
    return read(SECRETS_FILE).get(name, "")


def keep(name: str, value: str) -> None:
    known = read(SECRETS_FILE)
    if known.get(name) != value:
        write(SECRETS_FILE, {**known, name: value})
