"""Every setting that an installation may give, read from the environment (docs/settings.md).

An env file is read first where there is one: the file that `ENV_FILE` names, else `.env`, else
what the running demo wrote, so that `manage.py …` in another terminal talks to that demo. The
environment itself always wins.
"""

import os
from pathlib import Path

import environ

ROOT = Path(__file__).resolve().parent.parent

env = environ.Env()
named = os.environ.get("ENV_FILE")
candidates = [Path(named)] if named else [ROOT / ".env", ROOT / ".local" / "demo.env"]
for candidate in candidates:
    if candidate.is_file():
        env.read_env(str(candidate))
        break

DEMO: bool = env.bool("DEMO", default=False)
DEBUG: bool = env.bool("DEBUG", default=False)

# The address people use; hosts, secure cookies and HSTS follow from it.
SITE_URL: str = env.str("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
# The proxy in front sets X-Forwarded-Proto and X-Forwarded-For, and nobody else can.
BEHIND_PROXY: bool = env.bool("BEHIND_PROXY", default=False)

SECRET_KEY: str = env.str("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
# Fernet keys, newest first; see approvals/tokens.py.
TOKEN_KEYS: list[str] = env.list("TOKEN_KEYS", default=[])
TOKEN_DIGEST_KEY: str = env.str("TOKEN_DIGEST_KEY", default="")

DATABASE_URL: str = env.str("DATABASE_URL", default="")
# Connections per web process; workers hold one per thread instead.
DATABASE_POOL: int = env.int("DATABASE_POOL", default=0)
BROKER_URL: str = env.str("BROKER_URL", default="")

TIME_ZONE: str = env.str("TIME_ZONE", default="UTC")
LOG_FORMAT: str = env.str("LOG_FORMAT", default="json")
LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO")

SESSION_HOURS: int = env.int("SESSION_HOURS", default=12)
# Single sign-on: allauth's own JSON for its OpenID Connect provider (docs/operating.md).
OIDC_PROVIDERS: list[dict] = env.json("OIDC_PROVIDERS", default=[])

# Mails: a server (smtp://user:password@host:587, smtp+tls:// or smtp+ssl:// where it encrypts), or
# a provider of anymail with its own settings as JSON. Neither: nothing is mailed.
EMAIL_URL: str = env.str("EMAIL_URL", default="")
MAIL_BACKEND: str = env.str("MAIL_BACKEND", default="")
ANYMAIL: dict = env.json("ANYMAIL", default={})
ANYMAIL_WEBHOOK_SECRET: str = env.str("ANYMAIL_WEBHOOK_SECRET", default="")
MAIL_FROM: str = env.str("MAIL_FROM", default="")

# Heartbeat and liveness calls per second and connection; AWS refills 300 (500 in three regions).
HEARTBEATS_PER_SECOND: int = env.int("HEARTBEATS_PER_SECOND", default=250)
HEARTBEAT_THREADS: int = env.int("HEARTBEAT_THREADS", default=16)
# How long one receive call of SQS or MNS waits for messages, in seconds (0-20).
SQS_WAIT_SECONDS: int = env.int("SQS_WAIT_SECONDS", default=20)
