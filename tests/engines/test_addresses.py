"""Which addresses an answer may go to: strictly read, named by an operator, and public."""

import ipaddress

import pytest
from hypothesis import given, strategies as st

from approvals.engines.addresses import (
    Address,
    Entry,
    admit,
    is_in_house,
    is_public,
    parse,
    read_entries,
    read_entry,
)

HOSTS = read_entries(
    [
        "workflowexecutions.googleapis.com",
        "*.logic.azure.com",
        "hooks.example:8443",
        "http://127.0.0.1:5678",
        "https://n8n.internal",
        "https://[fd00::1]:8443",
        "bücher.example",
    ]
)


@pytest.mark.parametrize(
    "url",
    [
        "https://workflowexecutions.googleapis.com/v1/projects/p",
        "https://WorkflowExecutions.GoogleAPIs.com:443/v1",
        "HTTPS://workflowexecutions.googleapis.com",
        "https://prod-1.westeurope.logic.azure.com:443/workflows/abc?sig=x%2Fy",
        "https://a.b.c.d.logic.azure.com/",
        "https://hooks.example:8443/",
        "http://127.0.0.1:5678/webhook-waiting/12",
        "https://n8n.internal/webhook-waiting/12",
        "https://[fd00::1]:8443/a",
        "https://[fd00:0:0:0:0:0:0:1]:8443/a",
        "https://xn--bcher-kva.example/",
    ],
)
def test_what_an_operator_named_is_admitted(url: str) -> None:
    assert isinstance(admit(url, HOSTS), Address)


@pytest.mark.parametrize(
    "url",
    [
        "https://logic.azure.com/",
        "https://evillogic.azure.com.evil.example/",
        "https://evil.example/",
        "https://hooks.example/",
        "https://hooks.example:443/",
        "https://sub.hooks.example:8443/",
        "https://n8n.internal:8443/",
        "http://n8n.internal/",
        "https://127.0.0.1:5678/",
        "http://127.0.0.1/",
        "http://127.0.0.2:5678/",
        "http://localhost:5678/",
        "http://workflowexecutions.googleapis.com/",
        "https://workflowexecutions.googleapis.com:8443/",
        "https://xworkflowexecutions.googleapis.com/",
        "https://workflowexecutions.googleapis.com.evil.example/",
    ],
)
def test_what_nobody_named_is_not(url: str) -> None:
    problem = admit(url, HOSTS)
    assert isinstance(problem, str)
    assert problem.endswith(".")


NASTY = [
    "",
    "https://",
    "https:///path",
    "//good.example/",
    "good.example/",
    "ftp://good.example/",
    "file:///etc/passwd",
    "gopher://good.example/",
    "javascript:alert(1)",
    "https:good.example",
    "https:/good.example",
    "https://user@good.example/",
    "https://user:password@good.example/",
    "https://good.example@evil.example/",
    "https://good.example:443@evil.example/",
    "https://evil.example#@good.example/",
    "https://evil.example\\@good.example/",
    "https://good.example\\.evil.example/",
    "https://good.example/#fragment",
    "https://good.example/a b",
    "https://good.example/\r\nX-Injected: 1",
    "https://good.example/\ta",
    " https://good.example/",
    "https://good.example/\n",
    "https://good.example/\x00",
    "https://good.example/ü",
    "https://gооd.example/",  # Cyrillic
    "https://good。example/",
    "https://１２７.０.０.１/",
    "https://good.example./",
    "https://.good.example/",
    "https://good..example/",
    "https://-good.example/",
    "https://good%2eexample/",
    "https://good.example%00.evil.example/",
    "https://*.good.example/",
    "https://good.example:/",
    "https://good.example:0/",
    "https://good.example:65536/",
    "https://good.example:443443/",
    "https://good.example:+443/",
    "https://good.example:４４３/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.01/",
    "https://127.0.0.256/",
    "https://127.0.0.1./",
    "https://1.2.3.4.5/",
    "https://good.0x/",
    "https://good.example.1/",
    "https://[::1/",
    "https://::1/",
    "https://[::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[::1]x/",
    "https://[127.0.0.1]/../@x",
    "https://[v1.fe80::a]/",
    "https://[good.example]/",
    "https://" + "a" * 64 + ".example/",
    "https://" + ".".join(["a" * 60] * 5) + "/",
    "https://good.example/" + "a" * 2_048,
]


@pytest.mark.parametrize("url", NASTY)
def test_what_parsers_could_read_in_two_ways_is_refused_without_repeating_it(url: str) -> None:
    problem = parse(url)
    if isinstance(problem, Address):  # a bracket with a plain number is one way to write it
        assert problem.host == "127.0.0.1"
        assert isinstance(admit(url, read_entries(["*.example", "good.example"])), str)
        return
    assert problem.endswith(".")
    assert "evil" not in problem
    assert "password" not in problem


def test_the_words_for_a_refusal_name_the_host_and_nothing_else() -> None:
    problem = admit("https://evil.example/hook/s3cret?sig=abc", HOSTS)
    assert problem == "“evil.example” is not among the hosts of the connection."


def test_the_secret_part_of_an_address_does_not_print() -> None:
    address = admit("https://n8n.internal/hook/s3cret?sig=abc", HOSTS)
    assert isinstance(address, Address)
    assert address.target == "/hook/s3cret?sig=abc"
    assert "s3cret" not in repr(address)


@given(st.text(max_size=60))
def test_no_text_is_taken_for_the_good_host_but_its_own_address(text: str) -> None:
    for url in (
        text,
        f"https://{text}",
        f"https://{text}good.example/",
        f"https://g.example{text}",
    ):
        address = parse(url)
        if isinstance(address, Address):
            authority = url.split("://", 1)[1].replace("?", "/").split("/")[0].lower()
            assert authority in (address.authority, f"{address.authority}:443", f"[{address.host}]")


# --- the operator's list -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("a.example", Entry("a.example")),
        ("A.Example", Entry("a.example")),
        ("a.example:8443", Entry("a.example", port=8443)),
        ("*.a.example", Entry("a.example", below=True)),
        ("*.a.example:8443", Entry("a.example", port=8443, below=True)),
        ("https://a.example", Entry("a.example", in_house=True)),
        ("https://a.example/", Entry("a.example", in_house=True)),
        ("http://n8n:5678", Entry("n8n", "http", 5678, in_house=True)),
        ("http://[::1]", Entry("::1", "http", 80, in_house=True)),
        ("bücher.example", Entry("xn--bcher-kva.example")),
    ],
)
def test_a_line_of_hosts_says_what_it_admits(line: str, entry: Entry) -> None:
    assert read_entry(line) == entry


@pytest.mark.parametrize(
    "line",
    [
        *("*", "*.com", "*.", "a.*.example", "https://*.a.example", "*.127.0.0.1", "*a.example"),
        *("127.0.0.1", "[::1]", "93.184.216.34:443", "127.1", "0x7f000001", "https://127.1"),
        *("a.example/path", "https://a.example/path", "https://a.example?x", "https://u@a.example"),
        *("ftp://a.example", "https://", "://a", "a.example.", "a b", "a..b", "a.example:0"),
    ],
)
def test_a_line_that_admits_too_much_or_nothing_is_refused_with_the_reason(line: str) -> None:
    problem = read_entry(line)
    assert isinstance(problem, str)
    assert line in problem


# --- numbers -------------------------------------------------------------------------------------

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b::192.168.0.1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1::10.0.0.1",
    "100::1",
    "2001::1",
    "2001:0:102:304::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "3ffe::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "fec0::1",
    "ff02::1",
    "4000::1",
]
PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "2a00:1450::1",
]


@pytest.mark.parametrize("number", NOT_PUBLIC)
def test_special_numbers_are_not_public(number: str) -> None:
    assert not is_public(ipaddress.ip_address(number))


@pytest.mark.parametrize("number", [*PUBLIC, "64:ff9b::8.8.8.8"])
def test_public_numbers_are(number: str) -> None:
    assert is_public(ipaddress.ip_address(number))
    assert not is_in_house(ipaddress.ip_address(number))


@given(st.ip_addresses())
def test_whatever_python_calls_special_is_not_public(number) -> None:
    if not number.is_global or number.is_multicast or number.is_reserved:
        assert not is_public(number) or number in ipaddress.ip_network("64:ff9b::/96")


@pytest.mark.parametrize(
    "number",
    [
        "0.0.0.0",
        "169.254.169.254",
        "169.254.170.2",
        "168.63.129.16",
        "100.100.100.200",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::1",
        "192.0.0.192",
    ],
)
def test_a_clouds_own_numbers_are_never_in_house(number: str) -> None:
    assert not is_in_house(ipaddress.ip_address(number))


@pytest.mark.parametrize(
    "number", ["10.1.2.3", "127.0.0.1", "192.168.0.9", "172.20.0.1", "::1", "fd12::3"]
)
def test_private_numbers_are_in_house(number: str) -> None:
    assert is_in_house(ipaddress.ip_address(number))
