"""`new_key` and `rotate_token_keys`: keys are made, and every secret moves to the newest."""

import os
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from approvals.intake import keys
from approvals.intake.accept import accept
from approvals.management.commands import rotate_token_keys
from approvals.models import ApprovalTask, Gate, QuarantinedMessage, Source
from approvals.tokens import decrypt, digest, encrypt, rotate
from config.env import ROOT
from tests.factories import ConnectionFactory, task_for, tasks_for


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_new_keys_are_printed_without_any_setting_given() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "new_key"],
        cwd=ROOT,
        env={"ENV_FILE": os.devnull, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    keys = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert set(keys) == {"SECRET_KEY", "TOKEN_KEYS", "TOKEN_DIGEST_KEY"}
    Fernet(keys["TOKEN_KEYS"])
    assert all(len(key) >= 44 for key in keys.values())
    assert run("new_key") != run("new_key")


def test_everything_moves_under_the_newest_key(
    gate: Gate, source: Source, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_token_keys, "BATCH", 2)  # several batches
    tasks_for(gate, 4, source)
    known = task_for(gate, source, taskToken="the-known-token")
    accept(source, ["not JSON"])
    old, new = settings.TOKEN_KEYS[0], Fernet.generate_key().decode()
    settings.TOKEN_KEYS = [new, old]

    out = run("rotate_token_keys")
    assert "tasks: 5 rotated, 0 under the newest key already, 0 that no key opens" in out
    assert "quarantined messages: 1 rotated" in out

    settings.TOKEN_KEYS = [new]
    known = ApprovalTask.objects.get(token_digest=digest("the-known-token"))
    assert known.token.reveal() == "the-known-token"
    assert decrypt(QuarantinedMessage.objects.get().body_ciphertext) == "not JSON"
    assert "tasks: 0 rotated, 5 under the newest key already" in run("rotate_token_keys")


def test_credentials_move_too_and_no_credential_is_none_to_move(
    source: Source, settings: Any
) -> None:
    stored = ConnectionFactory(secret_ciphertext=encrypt("of the far end"))
    issued = keys.issue(source, None)
    old, new = settings.TOKEN_KEYS[0], Fernet.generate_key().decode()
    settings.TOKEN_KEYS = [new, old]

    out = run("rotate_token_keys")
    assert "connections: 1 rotated, 0 under the newest key already, 0 that no key opens" in out
    assert "keys of sources: 1 rotated" in out

    settings.TOKEN_KEYS = [new]
    stored.refresh_from_db()
    assert decrypt(stored.secret_ciphertext) == "of the far end"
    assert [key.secret for key in keys.live_secrets(source)] == [issued.secret]


def test_a_run_that_was_cut_short_is_resumed(
    gate: Gate, source: Source, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_token_keys, "BATCH", 2)
    tasks_for(gate, 5, source)
    settings.TOKEN_KEYS = [Fernet.generate_key().decode(), *settings.TOKEN_KEYS]
    calls = iter([rotate, rotate, rotate])
    with monkeypatch.context() as dying:
        dying.setattr(rotate_token_keys, "rotate", lambda text: next(calls)(text))
        with pytest.raises(StopIteration):
            run("rotate_token_keys")
    assert "tasks: 3 rotated, 2 under the newest key already" in run("rotate_token_keys")


def test_what_no_key_opens_is_counted_and_left_alone(
    gate: Gate, source: Source, settings: Any
) -> None:
    lost = task_for(gate, source)
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]
    kept = task_for(gate, source)
    settings.TOKEN_KEYS = [Fernet.generate_key().decode(), *settings.TOKEN_KEYS]
    before = bytes(lost.token_ciphertext)
    with pytest.raises(CommandError, match="No key opens 1"):
        run("rotate_token_keys")
    assert bytes(ApprovalTask.objects.get(pk=lost.pk).token_ciphertext) == before
    assert ApprovalTask.objects.get(pk=kept.pk).token == kept.token
