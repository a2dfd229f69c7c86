"""MESSAGE IN from Amazon SNS: whether SNS itself signed an envelope. Fetches its certificates.

The fields, algorithms and names are those of AWS's own validators; the certificate is trusted
because TLS vouches for the host that it is fetched from, so its chain is not followed once more.
"""

import base64
import binascii
import datetime as dt
import re
from collections.abc import Mapping
from functools import lru_cache
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from approvals.intake.context import instant
from approvals.intake.sources.base import CallerRefused

_CONFIRMED = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMED,
    "UnsubscribeConfirmation": _CONFIRMED,
}
OPTIONAL = "Subject"
HASHES = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - what SNS signs with by default

# A topic's delivery policy may spread its retries over an hour at most; then some for the clocks.
MAX_AGE = dt.timedelta(minutes=65)
MAX_AHEAD = dt.timedelta(minutes=5)

_HOST = re.compile(r"sns\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
# Newer regions, China and GovCloud have certificates for names of their own.
_NAME = re.compile(r"sns(-[a-z0-9-]+)?(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?")
_MAX_CERTIFICATE = 20_000  # bytes; they have about 2,000
_TIMEOUT = 4  # seconds, to connect and for each answer; SNS itself waits 15


def check(envelope: Mapping[str, Any], region: str, now: dt.datetime) -> None:
    """Passes what SNS of `region` has signed lately; raises `CallerRefused`: 403 for anything
    else, 503 where its certificate can't be had at the moment."""
    timestamp = instant(envelope.get("Timestamp"))
    if timestamp is None or not now - MAX_AGE <= timestamp <= now + MAX_AHEAD:
        raise _refused("not_now", "Its Timestamp is older than an hour, or ahead of this clock.")
    algorithm = HASHES.get(str(envelope.get("SignatureVersion")))
    signed = _string_to_sign(envelope)
    signature = _decoded(envelope.get("Signature"))
    if not (algorithm and signed and signature):
        raise _refused("not_signed", "It lacks a field that SNS signs, or a signature 1 or 2.")
    key = _key(str(envelope.get("SigningCertURL")), region, now)
    try:
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise _refused("wrong_signature", "The signature is not that of this message.") from None
    except UnsupportedAlgorithm:  # a system's policy may forbid SHA-1
        raise _refused("not_signed", "Set the topic's SignatureVersion to 2.") from None


def fetch(url: str) -> bytes:
    """What stands at `url`: no redirects, through the proxy that the environment names, as boto3
    does. Raises `CallerRefused`."""
    status, content = 200, b""
    try:
        with build_opener(_NoRedirects).open(url, timeout=_TIMEOUT) as answer:
            content = answer.read(_MAX_CERTIFICATE + 1)
    except HTTPError as error:
        status = error.code
    except (OSError, HTTPException):
        status = 503
    if status >= 500:
        raise CallerRefused(
            503, "certificate_unavailable", "The certificate of SNS can't be fetched at the moment."
        )
    if status != 200 or len(content) > _MAX_CERTIFICATE:
        raise _refused("no_certificate", "There is no certificate at its SigningCertURL.")
    return content


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


@lru_cache(maxsize=32)  # a region has one or two at a time; refusals are not kept
def _certificate(url: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(fetch(url))
    except ValueError:
        raise _refused("no_certificate", "There is no certificate at its SigningCertURL.") from None


def _key(url: str, region: str, now: dt.datetime) -> rsa.RSAPublicKey:
    """The key of the certificate at `url`, if that is where SNS of `region` keeps its own."""
    if not _is_of_sns(url, region):
        raise _refused(
            "wrong_certificate", "Its SigningCertURL is not of SNS in the topic's region."
        )
    certificate = _certificate(url)
    key = certificate.public_key()
    if not (
        certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        and any(_NAME.fullmatch(name) for name in _names(certificate))
        and isinstance(key, rsa.RSAPublicKey)
    ):
        raise _refused("wrong_certificate", "The certificate is not for SNS, or not for today.")
    return key


def _is_of_sns(url: str, region: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    # `netloc`, which a port or a user's name would be part of.
    host = _HOST.fullmatch(parts.netloc)
    return bool(
        parts.scheme == "https"
        and host
        and host["region"] == region
        and re.fullmatch(r"/[\w.-]+\.pem", parts.path, re.ASCII)
        and not (parts.query or parts.fragment)
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return [str(name.value) for name in common]
    return names.get_values_for_type(x509.DNSName)


def _string_to_sign(envelope: Mapping[str, Any]) -> bytes:
    """Each name and value on a line of its own; nothing if one is missing or no text."""
    parts = []
    for name in SIGNED.get(str(envelope.get("Type")), ()):
        value = envelope.get(name)
        if value is None and name == OPTIONAL:
            continue
        if not isinstance(value, str):
            return b""
        parts.append(f"{name}\n{value}\n")
    return "".join(parts).encode("utf-8", "replace")


def _decoded(signature: Any) -> bytes:
    if not isinstance(signature, str):
        return b""
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _refused(code: str, message: str) -> CallerRefused:
    return CallerRefused(403, code, message)
