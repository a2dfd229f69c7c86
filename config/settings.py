"""Django's settings; what an installation may change comes from `config.env`."""

from typing import Any
from urllib.parse import urlsplit

import structlog
from csp.constants import NONE, SELF

from config import env as given
from config.link_secrets import mask_links

SECRET_KEY = given.SECRET_KEY
SECRET_KEY_FALLBACKS = given.SECRET_KEY_FALLBACKS
TOKEN_KEYS = given.TOKEN_KEYS
TOKEN_DIGEST_KEY = given.TOKEN_DIGEST_KEY
DEBUG = given.DEBUG
SITE_URL = given.SITE_URL
BROKER_URL = given.BROKER_URL
TIME_ZONE = given.TIME_ZONE
SQS_WAIT_SECONDS = given.SQS_WAIT_SECONDS
HEARTBEATS_PER_SECOND = given.HEARTBEATS_PER_SECOND
HEARTBEAT_THREADS = given.HEARTBEAT_THREADS

_site = urlsplit(SITE_URL)
HTTPS = _site.scheme == "https"
ALLOWED_HOSTS = given.ALLOWED_HOSTS or [_site.hostname or "127.0.0.1"]

# --- Django -------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "approvals.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "approvals.apps.ApprovalsConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "anymail",
    "csp",
    "django_htmx",
    "django_structlog",
    "lucide",
    "pgtrigger",
    *(["demo.apps.DemoConfig"] if given.DEMO else []),
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.request_log.RequestLog",
    "django_htmx.middleware.HtmxMiddleware",
    "approvals.people.middleware.PersonMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [given.ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "approvals.inbox.context.site",
            ],
        },
    },
]

# --- Data ---------------------------------------------------------------------------------------

DATABASES = {
    "default": {
        **(
            given.env.db_url_config(given.DATABASE_URL)
            if given.DATABASE_URL
            else {"ENGINE": "django.db.backends.postgresql", "NAME": "countersign"}
        ),
        "CONN_MAX_AGE": 0 if given.DATABASE_POOL else None,
        "CONN_HEALTH_CHECKS": True,
    }
}
if given.DATABASE_POOL:
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
        "min_size": 1,
        "max_size": given.DATABASE_POOL,
        "timeout": 10,
    }

# Rate limits of the sign-in live here: in the database, so that losing Redis locks nobody out.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "approvals_cache",
        # Beyond this many Django drops a third of them, and with it who tried how often. Each write
        # counts them all.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}

# --- People -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "approvals.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "inbox"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "approvals.people.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "approvals.people.adapters.SocialAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = False
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if given.BEHIND_PROXY else 0
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = False
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": given.OIDC_PROVIDERS}}

# --- Mails --------------------------------------------------------------------------------------

# Where nothing is configured they go nowhere, allauth's own too.
EMAIL_BACKEND = given.MAIL_BACKEND or "django.core.mail.backends.dummy.EmailBackend"
if given.EMAIL_URL and not given.MAIL_BACKEND:
    _server = given.env.email_url_config(given.EMAIL_URL)
    EMAIL_BACKEND = _server["EMAIL_BACKEND"]
    EMAIL_HOST, EMAIL_PORT = _server["EMAIL_HOST"], _server["EMAIL_PORT"] or 25
    EMAIL_HOST_USER = _server["EMAIL_HOST_USER"] or ""
    EMAIL_HOST_PASSWORD = _server["EMAIL_HOST_PASSWORD"] or ""
    EMAIL_USE_TLS = _server.get("EMAIL_USE_TLS", False)
    EMAIL_USE_SSL = _server.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = given.MAIL_FROM or f"Countersign <countersign@{_site.hostname}>"
ANYMAIL = {"REQUESTS_TIMEOUT": EMAIL_TIMEOUT, **given.ANYMAIL}
if given.ANYMAIL_WEBHOOK_SECRET:
    ANYMAIL["WEBHOOK_SECRET"] = given.ANYMAIL_WEBHOOK_SECRET

# --- Sessions -----------------------------------------------------------------------------------

SESSION_COOKIE_AGE = given.SESSION_HOURS * 3600
SESSION_COOKIE_NAME = "countersign_session"
SESSION_ENGINE = "approvals.people.sessions"
CSRF_COOKIE_NAME = "countersign_csrf"

# --- Safety -------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [SITE_URL] if HTTPS else []
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if given.BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

# Signing in at an identity provider starts with a form of ours that leads there.
_identity_providers = {
    "{0.scheme}://{0.netloc}".format(urlsplit(provider["settings"]["server_url"]))
    for provider in given.OIDC_PROVIDERS
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # TOTP's QR code and the admin's icons are data: images
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF, *sorted(_identity_providers)],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

# --- Language, static files ---------------------------------------------------------------------

LANGUAGE_CODE = "en"
# Mails are in the language of who reads them; the pages are in English.
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"

STATIC_URL = "static/"
STATICFILES_DIRS = [given.ROOT / "static"]
STATIC_ROOT = given.ROOT / "staticfiles"
# The image collects and hashes its files; a checkout serves them from where they are.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not STATIC_ROOT.is_dir()
if STATIC_ROOT.is_dir():
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

# --- Logs ---------------------------------------------------------------------------------------

_shared_processors: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
# Never a traceback with local variables: a token may be among them.
_formatters: dict[str, list[Any]] = {
    "json": [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
    "console": [
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    ],
}
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _shared_processors,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_formatters[given.LOG_FORMAT],
                mask_links,
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["stderr"], "level": given.LOG_LEVEL},
    "loggers": {
        # Their debug lines hold whole requests, tokens included.
        **{
            name: {"level": "WARNING"}
            for name in (
                "botocore",
                "boto3",
                "urllib3",
                "kombu",
                "amqp",
                "oauthlib",
                "django.db.backends",
            )
        },
        # A tick each second is no news.
        **{
            name: {"level": "WARNING"}
            for name in ("celery.beat", "celery.app.trace", "celery.worker.strategy")
        },
        "django_structlog": {"level": "WARNING"},
    },
}
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_shared_processors,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
DJANGO_STRUCTLOG_CELERY_ENABLED = False
