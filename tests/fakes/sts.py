"""AWS STS as far as roles go: AssumeRole with an external id, GetCallerIdentity. XML, as it is."""

import datetime as dt
import itertools
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from tests.fakes.aws_server import Reply

XML = "text/xml"
_numbers = itertools.count(1)


@dataclass
class FakeSts:
    """Roles that may be assumed, each with the external id that it asks for."""

    lifetime: float = 3600.0  # seconds
    roles: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # access key id -> the role's ARN

    def answer(self, values: dict[str, str], key: str) -> Reply:
        match values["Action"]:
            case "AssumeRole":
                return self._assume(values)
            case "GetCallerIdentity":
                who = self.keys.get(key, "arn:aws:iam::123456789012:user/countersign")
                return _result("GetCallerIdentity", f"<Arn>{who}</Arn>")
        return refusal("InvalidAction", "No such action")

    def _assume(self, values: dict[str, str]) -> Reply:
        role = values["RoleArn"]
        if self.roles.get(role) != values.get("ExternalId", ""):
            who = "User: arn:aws:iam::123456789012:user/countersign is not authorized to perform: "
            return refusal("AccessDenied", f"{who}sts:AssumeRole on resource: {role}")
        key = f"ASIAFAKE{next(_numbers)}"
        self.keys[key] = role
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.lifetime)
        return _result(
            "AssumeRole",
            f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t</SessionToken><Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            f"</Credentials><AssumedRoleUser><AssumedRoleId>A:{values['RoleSessionName']}"
            f"</AssumedRoleId><Arn>{role}/{values['RoleSessionName']}</Arn></AssumedRoleUser>",
        )


def refusal(code: str, words: str, status: int = 403) -> Reply:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(words)}</Message>"
    return _xml(f"<ErrorResponse>{error}</Error></ErrorResponse>", status)


def _result(action: str, inner: str) -> Reply:
    return _xml(f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>")


def _xml(text: str, status: int = 200) -> Reply:
    namespace = 'Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    body = text.replace("Response>", namespace, 1) if status == 200 else text
    return Reply(status, body.encode(), content_type=XML)
