"""SNS topics that call our address: signed with certificates made here, or with a password."""

import base64
import datetime as dt
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from approvals.findings import Level
from approvals.intake import keys
from approvals.intake.sources import sns_signature
from approvals.intake.sources.base import CallerRefused
from approvals.intake.sources.sns import SNSTopic
from approvals.models import ApprovalTask, Source
from tests.contracts.called_source_contract import (
    Call,
    KeyedSourceContract,
    SignedContract,
    post,
    stored,
)
from tests.factories import ConnectionFactory, SourceFactory, message
from tests.fakes.aws_server import AwsServer, Reply, Request
from tests.security.leaks import leaks

Auth = Source.Auth
REGION = "eu-west-1"
AT_SNS = f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService-0f1a.pem"
TOKEN_OF_SNS = "2336412f37fb687f5d51e6e2425e90cca8a0d8b5"
NOW = dt.datetime.now(dt.UTC)
_fetch = sns_signature.fetch  # the real one
_numbers = itertools.count(1)


def topic() -> str:
    return f"arn:aws:sns:{REGION}:123456789012:approvals-{next(_numbers)}"


class Signer:
    """A key and its certificate, as SNS has them."""

    def __init__(
        self,
        names: tuple[str, ...] = ("sns.amazonaws.com",),
        days: tuple[float, float] = (-1, 1),
        key: Any = None,
        common_name: str = "sns.amazonaws.com",
    ) -> None:
        self.key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder(name, name, self.key.public_key())
            .serial_number(1)
            .not_valid_before(now + dt.timedelta(days=days[0]))
            .not_valid_after(now + dt.timedelta(days=days[1]))
        )
        if names:
            alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternative, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, envelope: dict[str, Any], version: str = "1") -> dict[str, Any]:
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        if envelope["Type"] != "Notification":
            names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", *names[-2:]]
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
        algorithm = {"1": hashes.SHA1(), "2": hashes.SHA256()}[version]
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), algorithm)
        return envelope | {
            "SignatureVersion": version,
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": AT_SNS,
        }


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture(autouse=True)
def at_sns(monkeypatch: pytest.MonkeyPatch, signer: Signer) -> Iterator[dict[str, bytes]]:
    """What the hosts of SNS would answer, by address."""
    there = {AT_SNS: signer.pem}

    def fetch(url: str) -> bytes:
        if url not in there:
            raise CallerRefused(403, "no_certificate", "Not here.")
        return there[url]

    sns_signature._certificate.cache_clear()
    monkeypatch.setattr(sns_signature, "fetch", fetch)
    yield there
    sns_signature._certificate.cache_clear()


def source_of(auth: str, arn: str, **fields: Any) -> Source:
    source = SourceFactory(kind=Source.Kind.SNS, queue_url="", auth=auth, topic_arns=arn, **fields)
    source.refresh_from_db()
    if auth == Auth.BASIC:
        keys.issue(source, None)
    return source


def envelope(
    arn: str, message: str, kind: str = "Notification", seconds: float = 0
) -> dict[str, Any]:
    """Twice the same for the same message: SNS, trying again, sends what it sent."""
    moment = NOW + dt.timedelta(seconds=seconds)
    return {
        "Type": kind,
        "MessageId": hashlib.sha256(message.encode()).hexdigest()[:32],
        "TopicArn": arn,
        "Message": message,
        "Timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "UnsubscribeURL": f"https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe",
    }


def confirmation(arn: str, kind: str = "SubscriptionConfirmation") -> dict[str, Any]:
    return envelope(arn, "You have chosen to subscribe.", kind) | {
        "Token": TOKEN_OF_SNS,
        "SubscribeURL": f"http://127.0.0.1:1/?Action=ConfirmSubscription&Token={TOKEN_OF_SNS}",
    }


def call_of(body: dict[str, Any], **headers: str) -> Call:
    return Call(
        {"x-amz-sns-message-type": str(body["Type"]), **headers},
        json.dumps(body).encode(),
        "text/plain; charset=UTF-8",
    )


def basic_of(source: Source) -> dict[str, str]:
    key = keys.live_secrets(source)[-1]
    pair = base64.b64encode(f"{key.key_id}:{key.secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


class TestSigned(SignedContract):
    longest_seconds = 65 * 60

    @pytest.fixture(autouse=True)
    def _signer(self, signer: Signer) -> None:
        self.signer = signer

    def new_source(self) -> Source:
        return source_of(Auth.SNS, topic(), gate=self.gate)

    def call(self, source: Source, message: str, seconds: float = 0) -> Call:
        return call_of(self.signer.sign(envelope(source.topic_arns, message, seconds=seconds)))

    def forgeries(self, source: Source, message: str) -> Iterator[Call]:
        bare = envelope(source.topic_arns, message)
        right = self.signer.sign(bare)
        yield call_of(Signer().sign(bare))
        yield call_of(bare)
        for wrong in (
            {"Signature": "FAKE"},
            {"Signature": ""},
            {"Signature": None},
            {"Signature": right["Signature"][:-4]},
            {"Signature": "ü" * 344},
            {"SignatureVersion": "2"},
            {"SignatureVersion": "3"},
            {"SignatureVersion": None},
            {"SignatureVersion": 1.0},
            {"Type": "SubscriptionConfirmation"},
            {"Type": "Something"},
            {"TopicArn": topic()},
            {"TopicArn": [source.topic_arns]},
            {"TopicArn": None},
            {"MessageId": 17},
        ):
            yield call_of(right | wrong)
        yield call_of(self.signer.sign(envelope(topic(), message)))
        yield replace(call_of(right), headers={})
        yield replace(call_of(right), headers={"x-amz-sns-message-type": "UnsubscribeConfirmation"})
        raw = {"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": source.topic_arns}
        yield Call(raw | {"x-amz-sns-message-type": "Notification"}, message.encode(), "text/plain")

    def test_one_altered_byte_is_refused(self):
        """SNS signs fields, not bytes: in each of them."""
        source = self.new_source()
        right = self.signer.sign(envelope(source.topic_arns, message()) | {"Subject": "Refund 1"})
        assert post(source, call_of(right)).status_code == 202
        before = stored()
        for name in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn"):
            for position in (0, len(right[name]) // 2, len(right[name]) - 1):
                changed = chr(ord(right[name][position]) ^ 1)
                wrong = right[name][:position] + changed + right[name][position + 1 :]
                assert post(source, call_of(right | {name: wrong})).status_code == 403, name
        without = {name: value for name, value in right.items() if name != "Subject"}
        assert post(source, call_of(without)).status_code == 403
        assert stored() == before

    @pytest.mark.parametrize(
        "beside",
        [
            {"taskToken": "forged", "title": "Pay me"},
            {"Context": {"Task": {"Token": "forged"}, "Execution": {"Name": "x"}}},
            {"detail-type": "x", "source": "x", "detail": {"taskToken": "forged"}},
        ],
    )
    def test_what_stands_beside_the_signed_fields_is_not_read(self, beside):
        """Whoever reads a topic has notifications that SNS has signed."""
        source = self.new_source()
        right = self.signer.sign(envelope(source.topic_arns, message(title="Refund 1")))
        answer = post(source, call_of(right | beside))
        assert answer.status_code == 202
        task = ApprovalTask.objects.get()
        assert (task.title, task.token.reveal() != "forged") == ("Refund 1", True)
        nothing = self.signer.sign(envelope(source.topic_arns, '{"no": "token"}'))
        assert post(source, call_of(nothing | beside)).json()["error"] == "no_token"

    @pytest.mark.parametrize("version", ["1", "2"])
    @pytest.mark.parametrize("more", [{}, {"Subject": "A refund\nfor ü"}, {"Subject": None}])
    def test_both_signatures_are_understood_with_and_without_a_subject(self, version, more):
        source = self.new_source()
        unsigned = envelope(source.topic_arns, message()) | {k: v for k, v in more.items() if v}
        signed = self.signer.sign(unsigned, version) | more
        assert post(source, call_of(signed)).status_code == 202

    @pytest.mark.parametrize(
        "url",
        [
            "http://sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com.example.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com@example.com/a.pem",
            "https://example.com@sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
            "https://sns.eu-west-1.amazonaws.co/a.pem",
            "https://snsXeu-west-1.amazonaws.com/a.pem",
            "https://evil.sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.evil.eu-west-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com/a.pem",
            "https://bucket.s3.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com/a.txt",
            "https://sns.eu-west-1.amazonaws.com/a.pem?x=.pem",
            "https://sns.eu-west-1.amazonaws.com/a.pem#x",
            "https://sns.eu-west-1.amazonaws.com/?a.pem",
            "https://sns.eu-west-1.amazonaws.com/../a/b.pem",
            "https://sns.eu-west-1.amazonaws.com/\u0661.pem",
            "https://[::1/a.pem",
            "file:///etc/a.pem",
            "//sns.eu-west-1.amazonaws.com/a.pem",
            "",
            None,
            17,
        ],
    )
    def test_certificates_from_elsewhere_are_not_even_fetched(self, url, at_sns):
        source = self.new_source()
        at_sns[str(url)] = self.signer.pem
        signed = self.signer.sign(envelope(source.topic_arns, message()))
        answer = post(source, call_of(signed | {"SigningCertURL": url}))
        assert (answer.status_code, answer.json()["error"]) == (403, "wrong_certificate")

    @pytest.mark.parametrize(
        "made",
        [
            {"names": ("example.com",)},
            {"names": ("sns.amazonaws.com.example.com", "notsns.amazonaws.com")},
            {"names": (), "common_name": "example.com"},
            {"days": (-9, -1)},
            {"days": (1, 9)},
            {"key": ec.generate_private_key(ec.SECP256R1())},
        ],
    )
    def test_a_certificate_for_others_or_of_other_days_is_refused(self, made, at_sns):
        source = self.new_source()
        signed = self.signer.sign(envelope(source.topic_arns, message()))
        at_sns[AT_SNS] = Signer(**made).pem
        answer = post(source, call_of(signed))
        assert (answer.status_code, answer.json()["error"]) == (403, "wrong_certificate")

    @pytest.mark.parametrize(
        ("region", "host", "name"),
        [
            ("af-south-1", "sns.af-south-1.amazonaws.com", "sns-signing.af-south-1.amazonaws.com"),
            ("cn-north-1", "sns.cn-north-1.amazonaws.com.cn", "sns-cn-north-1.amazonaws.com.cn"),
            ("us-gov-east-1", "sns.us-gov-east-1.amazonaws.com", "sns-us-gov-west-1.amazonaws.com"),
        ],
    )
    @pytest.mark.parametrize("alternative", [True, False])
    def test_regions_with_names_of_their_own(self, region, host, name, alternative, at_sns):
        arn = f"arn:aws:sns:{region}:123456789012:approvals"
        source = source_of(Auth.SNS, arn, gate=self.gate)
        own = Signer(names=(name,) if alternative else (), common_name=name)
        at_sns[f"https://{host}/a.pem"] = own.pem
        signed = own.sign(envelope(arn, message())) | {"SigningCertURL": f"https://{host}/a.pem"}
        assert post(source, call_of(signed)).status_code == 202

    def test_what_is_no_certificate_is_refused_and_tried_again_next_time(self, at_sns):
        source = self.new_source()
        call = self.call(source, message())
        for nonsense in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            at_sns[AT_SNS] = nonsense
            assert post(source, call).status_code == 403
        at_sns[AT_SNS] = self.signer.pem
        assert post(source, call).status_code == 202

    def test_a_certificate_is_fetched_once(self, at_sns):
        source = self.new_source()
        assert self.send(source, message()).status_code == 202
        at_sns.clear()
        assert self.send(source, message()).status_code == 202


class TestWithPassword(KeyedSourceContract):
    credential_header = "Authorization"

    def new_source(self) -> Source:
        return source_of(Auth.BASIC, topic(), gate=self.gate)

    def call(self, source: Source, message: str, seconds: float = 0) -> Call:
        return call_of(envelope(source.topic_arns, message), **basic_of(source))

    def test_sns_is_asked_for_its_password(self):
        source = self.new_source()
        answer = post(source, call_of(envelope(source.topic_arns, message())))
        assert (answer.status_code, answer["WWW-Authenticate"]) == (
            401,
            'Basic realm="Countersign"',
        )

    def test_only_topics_that_are_named_may_send(self):
        source = self.new_source()
        before = stored()
        call = call_of(envelope(topic(), message()), **basic_of(source))
        assert post(source, call).json()["error"] == "unknown_topic"
        assert stored() == before

    def raw(self, source: Source, **headers: str) -> Call:
        return Call(
            basic_of(source)
            | {
                "x-amz-sns-message-type": "Notification",
                "x-amz-sns-rawdelivery": "true",
                "x-amz-sns-topic-arn": source.topic_arns,
            }
            | headers,
            message().encode(),
            "text/plain; charset=UTF-8",
        )

    def test_raw_delivery_is_taken(self):
        source = self.new_source()
        assert post(source, self.raw(source)).status_code == 202
        assert ApprovalTask.objects.count() == 1

    def test_raw_delivery_needs_the_password_and_the_topic(self):
        source = self.new_source()
        before = stored()
        for wrong in (
            {"x-amz-sns-topic-arn": topic()},
            {"x-amz-sns-topic-arn": ""},
            {"Authorization": "Basic x"},
            {"x-amz-sns-message-type": "SubscriptionConfirmation"},
        ):
            assert post(source, self.raw(source, **wrong)).status_code in (401, 403)
        assert stored() == before


class API:
    """The API of SNS, as far as it is called here; remembers the calls."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []
        self.status = 200
        self.subscriptions: list[tuple[str, str]] = []
        self.server = AwsServer(self.answer)

    def answer(self, request: Request) -> Reply:
        call = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        self.calls.append(call | {"method": request.method})
        action = call.get("Action", "")
        if self.status != 200:
            error = f"<Code>AuthorizationError</Code><Message>{call.get('Token')}</Message>"
            body = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
        else:
            members = "".join(
                f"<member><SubscriptionArn>{arn}</SubscriptionArn><Endpoint>{url}</Endpoint></member>"
                for arn, url in self.subscriptions
            )
            result = f"<{action}Result><Subscriptions>{members}</Subscriptions></{action}Result>"
            body = f"<{action}Response>{result}</{action}Response>"
        return Reply(self.status, body.encode(), content_type="text/xml")


@pytest.fixture
def api() -> Iterator[API]:
    api = API()
    api.server.start()
    yield api
    api.server.stop()


@pytest.mark.django_db
class TestConfirmation:
    @pytest.fixture(autouse=True)
    def _source(self, api: API, signer: Signer) -> None:
        self.api, self.signer = api, signer
        connection = ConnectionFactory(endpoint_url=api.server.url)
        self.source = source_of(Auth.SNS, topic(), connection=connection)

    def test_a_subscription_is_confirmed_by_the_api(self):
        signed = self.signer.sign(confirmation(self.source.topic_arns))
        answer = post(self.source, call_of(signed))
        assert (answer.status_code, answer.json()) == (202, {"taskId": None})
        [call] = self.api.calls
        assert (call["method"], call["Action"]) == ("POST", "ConfirmSubscription")
        assert call["TopicArn"] == self.source.topic_arns
        assert (call["Token"], call["AuthenticateOnUnsubscribe"]) == (TOKEN_OF_SNS, "true")

    def test_with_a_password_as_well(self):
        source = source_of(Auth.BASIC, topic(), endpoint_url=self.api.server.url)
        call = call_of(confirmation(source.topic_arns), **basic_of(source))
        assert post(source, call).status_code == 202
        assert len(self.api.calls) == 1

    def test_nobody_else_is_confirmed(self):
        for body in (
            Signer().sign(confirmation(self.source.topic_arns)),
            self.signer.sign(confirmation(topic())),
            confirmation(self.source.topic_arns),
            self.signer.sign(confirmation(self.source.topic_arns)) | {"Token": "another"},
        ):
            assert post(self.source, call_of(body)).status_code == 403
        assert self.api.calls == []

    def test_when_it_fails_sns_is_to_ask_again_and_the_token_stays_secret(self, caplog, capfd):
        caplog.set_level("INFO")
        self.api.status = 403
        answer = post(self.source, call_of(self.signer.sign(confirmation(self.source.topic_arns))))
        assert (answer.status_code, answer.json()["error"]) == (503, "not_confirmed")
        assert "AuthorizationError" in answer.json()["message"]
        places = [("log", caplog.text), ("output", "".join(capfd.readouterr()))]
        assert leaks(TOKEN_OF_SNS, [*places, ("answer", answer.content.decode())]) == []

    def test_whoever_unsubscribes_stays_unsubscribed(self):
        body = confirmation(self.source.topic_arns, "UnsubscribeConfirmation")
        assert post(self.source, call_of(self.signer.sign(body))).status_code == 202
        assert self.api.calls == []

    def findings(self) -> dict[str, Level]:
        return {finding.what: finding.level for finding in SNSTopic(self.source).examine()}

    def test_doctor_says_whether_the_topic_is_subscribed(self):
        arn = self.source.topic_arns
        assert self.findings()[f"{arn} is not subscribed."] == Level.BAD
        url = f"https://name:****@example.com/in/{self.source.address}/"
        self.api.subscriptions = [("PendingConfirmation", url)]
        assert self.findings()[f"The subscription of {arn} waits to be confirmed."] == Level.BAD
        self.api.subscriptions = [("arn:aws:sns:eu-west-1:123456789012:approvals:0f1a", url)]
        assert self.findings()[f"{arn} is subscribed and confirmed."] == Level.OK
        self.api.status = 403
        assert (
            self.findings()[f"Whether {arn} is subscribed can't be seen: AuthorizationError."]
            == Level.WARNING
        )

    def test_an_endpoint_that_is_no_address_is_said_instead_of_raised(self):
        self.source.endpoint_url = "http://[x"
        self.source.save()
        assert any("can't be seen: ValueError" in what for what in self.findings())
        answer = post(self.source, call_of(self.signer.sign(confirmation(self.source.topic_arns))))
        assert (answer.status_code, answer.json()["error"]) == (503, "not_confirmed")

    def test_doctor_misses_topics_and_keys(self):
        self.source.topic_arns = ""
        assert self.findings()["No topic may send."] == Level.BAD
        self.source.topic_arns, self.source.auth = "approvals", Auth.BASIC
        found = self.findings()
        assert found["approvals is no topic."] == Level.BAD
        assert Level.BAD in [level for what, level in found.items() if "no key" in what]


def test_a_certificate_is_read_without_following_redirects_and_not_for_ever() -> None:
    """The fetching itself, from a server here."""
    answers = {
        "/good.pem": Reply(200, b"certificate"),
        "/moved.pem": Reply(302, b""),
        "/gone.pem": Reply(404, b""),
        "/broken.pem": Reply(500, b""),
        "/huge.pem": Reply(200, b"x" * 100_000),
    }
    server = AwsServer(lambda request: answers[request.target])
    server.start()
    try:
        assert _fetch(server.url + "/good.pem") == b"certificate"
        for path, status in (("moved", 403), ("gone", 403), ("huge", 403), ("broken", 503)):
            with pytest.raises(CallerRefused) as caught:
                _fetch(f"{server.url}/{path}.pem")
            assert caught.value.status == status
    finally:
        server.stop()
    with pytest.raises(CallerRefused) as caught:
        _fetch(server.url + "/good.pem")
    assert caught.value.status == 503, "nobody there: SNS is to try again"
