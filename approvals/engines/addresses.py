"""CALLBACK OUT, where to: the addresses that an answer may go to. Asks nobody but DNS.

An address comes in a message, so whoever can send messages chooses it. It is taken apart by a
strict grammar instead of a forgiving parser, has to match the operator's list of hosts, and every
number that its name resolves to has to be public. Functions that see a whole address return what
is wrong with it instead of raising, so that no traceback holds it.
"""

import ipaddress
import queue
import re
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from approvals.errors import CallbackRefused, EngineUnavailable

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_LENGTH = 2_048
PORTS = {"https": 443, "http": 80}

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^\[\]/?:@]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:[/?].*)?)",
    re.IGNORECASE | re.ASCII,
)
_PLAIN = re.compile(r"[!-~]+")  # printable ASCII without spaces
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")  # of a last label: resolvers take it for an IPv4


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


# From IANA's registries of special-purpose addresses; everything else of IPv4 is public.
_NOT_PUBLIC = _networks(
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
    *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    "168.63.129.16/32",  # Azure's own, inside every virtual network
    # IPv6: protocols (Teredo among them), documentation, 6to4, the old 6bone, AS 112
    *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "3ffe::/16", "2620:4f:8000::/48"),
)
_UNICAST_6 = ipaddress.ip_network("2000::/3")  # all else of IPv6 is not public
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address stands in its last 32 bits
# What an operator admits with an entry that names its scheme.
_IN_HOUSE = _networks(
    *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    *("::1/128", "fc00::/7"),
)
# Where clouds hand credentials to their machines, within those.
_METADATA = _networks("100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128")


@dataclass(frozen=True, slots=True)
class Address:
    """An address taken apart. Its `target` is the secret; the rest may be shown."""

    scheme: str
    host: str  # lower-case ASCII; an IPv6 address without brackets
    port: int
    target: str = field(repr=False)  # path and query, as they came
    in_house: bool = False  # admitted by an entry that allows private numbers

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a connection's hosts."""

    host: str
    scheme: str = "https"
    port: int = 443
    below: bool = False  # `*.host`: any depth below it, not itself
    in_house: bool = False  # written with its scheme

    def admits(self, address: Address) -> bool:
        named = address.host.endswith(f".{self.host}") if self.below else address.host == self.host
        return named and (address.scheme, address.port) == (self.scheme, self.port)

    @property
    def example(self) -> str:
        """An address that it admits, for trials."""
        host = f"example.{self.host}" if self.below else self.host
        return f"{self.scheme}://{Address(self.scheme, host, self.port, '').authority}"


def read_entry(line: str) -> Entry | str:
    """An `Entry`, or what is wrong with `line`, in words.

    `host`, `host:8443` and `*.host` mean https and public numbers alone. `https://host:8443` and
    `http://127.0.0.1:5678` name one host that may be private.
    """
    scheme, marked, rest = line.lower().rpartition("://")
    below = rest.startswith("*.")
    try:
        host = rest.removeprefix("*.").removesuffix("/").encode("idna").decode()
    except UnicodeError:
        return f"“{line}” is not the name of a host."
    address = parse(f"{scheme if marked else 'https'}://{host}")
    if isinstance(address, str) or address.target != "/":
        return f"“{line}” is not the name of a host."
    if below and (scheme or "." not in address.host or literal(address.host)):
        return f"“{line}” admits too much: * stands in front of a domain of at least two parts."
    if literal(address.host) and not scheme:
        return f"“{line}” is a number: write it with https:// or http:// if you mean it."
    return Entry(address.host, address.scheme, address.port, below, in_house=bool(scheme))


def read_entries(lines: Iterable[str]) -> tuple[Entry, ...]:
    """Those that can be read; what is wrong with the others `examine` says."""
    return tuple(entry for line in lines if isinstance(entry := read_entry(line), Entry))


def parse(url: str) -> Address | str:
    """The parts of `url`, or what is wrong with it, in words that repeat nothing of it."""
    if len(url) > MAX_LENGTH:
        return f"The callback address is longer than {MAX_LENGTH:,} characters."
    if not _PLAIN.fullmatch(url) or "\\" in url:
        return "The callback address holds spaces, backslashes or characters that are not ASCII."
    found = _URL.fullmatch(url)
    if "#" in url or not found:
        return "The callback address has to be https://host/path, without a user name or a #."
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or PORTS[scheme])
    target = found["target"] if found["target"].startswith("/") else f"/{found['target']}"
    if host.startswith("["):
        number = literal(host[1:-1])
        host = str(number) if number else ""
    elif not _NAME.fullmatch(host) or len(host) > 253:
        host = ""
    elif _NUMERIC.fullmatch(host.rpartition(".")[2]) and not literal(host):
        host = ""  # 127.1, 0177.0.0.1, 0x7f000001, 2130706433
    if not host or not 1 <= port <= 65_535:
        return "The callback address does not name a host as it is usually written."
    return Address(scheme, host, port, target)


def admit(url: str, entries: Iterable[Entry]) -> Address | str:
    """`url` taken apart if one of `entries` admits it, else why not, naming at most its host."""
    address = parse(url)
    if isinstance(address, str):
        return address
    entry = next((entry for entry in entries if entry.admits(address)), None)
    if entry is None and address.scheme == "http":
        return "The callback address is not https."
    if entry is None:
        return f"“{address.authority}” is not among the hosts of the connection."
    return Address(address.scheme, address.host, address.port, address.target, entry.in_house)


def literal(host: str) -> IP | None:
    """The number that `host` is; None for a name."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(number: IP) -> bool:
    if isinstance(number, ipaddress.IPv6Address):
        if number in _NAT64:
            return is_public(ipaddress.IPv4Address(int(number) & 0xFFFFFFFF))
        if number not in _UNICAST_6:
            return False
    return not any(number in network for network in _NOT_PUBLIC)


def is_in_house(number: IP) -> bool:
    """Private, yet nothing that belongs to the machine's cloud."""
    return any(number in network for network in _IN_HOUSE) and not any(
        number in network for network in _METADATA
    )


def resolve(address: Address, seconds: float) -> list[str]:
    """The numbers of the host, asked for once, within `seconds`.

    Raises `CallbackRefused` if any one of them is not to be called, `EngineUnavailable` if there
    are none.
    """
    found = [address.host] if literal(address.host) else _look_up(address, seconds)
    if not found:
        raise EngineUnavailable(f"The name “{address.host}” was not found.", code="NameNotFound")
    for text in found:
        number = literal(text)
        if number and (is_public(number) or (address.in_house and is_in_house(number))):
            continue
        raise CallbackRefused(
            f"“{address.host}” leads to {text}, which is not a public address.",
            code="AddressRefused",
        )
    return found


def _look_up(address: Address, seconds: float) -> list[str]:
    """`getaddrinfo` knows no time limit, so a thread that nobody waits for does it."""
    answer: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    host, port = address.host, address.port

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            found = []
        answer.put(list(dict.fromkeys(str(item[4][0]) for item in found)))

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        return answer.get(timeout=max(seconds, 0))
    except queue.Empty:
        return []
