"""The token shows nowhere: not in what is kept, not in what is displayed of a broken message."""

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest

from approvals.intake.masking import MASK, Mask, masked
from approvals.intake.shapes import read
from approvals.tokens import TaskToken

TOKEN = "AAAAKgAAAAIAAAAA!%Z3x/Q7v+9kLm3zRt5Yw8Bn2Vc6Xq1Pd4Gh0Js/9=="


@pytest.fixture
def mask() -> Mask:
    return Mask(TaskToken(TOKEN))


@pytest.mark.parametrize(
    "written",
    [
        TOKEN,
        quote(TOKEN),
        quote(TOKEN, safe=""),
        quote(TOKEN, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
        b64encode(TOKEN.encode()).decode(),
        urlsafe_b64encode(TOKEN.encode()).decode().rstrip("="),
        TOKEN.replace("+", "-").replace("/", "_"),
    ],
)
def test_the_token_is_hidden_and_the_text_around_it_stays(mask: Mask, written: str) -> None:
    shown = mask.text(f"before {written} after")
    assert shown.startswith(f"before {MASK}")
    assert shown.endswith(" after")
    assert mask.hits(written)


@pytest.mark.parametrize(
    "disguised",
    [
        quote(quote(TOKEN, safe=""), safe=""),
        quote(TOKEN, safe="").replace("%2F", "%2f"),
        "".join(f"%{ord(character):02X}" for character in TOKEN),
        TOKEN.replace("/", "\\/"),
        TOKEN.replace("=", "\\u003d").replace("+", "\\u002B"),
    ],
)
def test_a_text_with_the_token_in_disguise_is_hidden_whole(mask: Mask, disguised: str) -> None:
    assert mask.text(f"before {disguised} after") == MASK


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_the_token_within_a_longer_base64_text_is_hidden(mask: Mask, before: str) -> None:
    text = b64encode(f"{before}{TOKEN} and more".encode()).decode()
    shown = mask.text(text)
    assert MASK in shown
    assert len(shown) < len(text) - len(TOKEN)


def test_keys_lists_and_depths_are_masked(mask: Mask) -> None:
    value = {TOKEN: [{"a": f"x{TOKEN}"}], "n": 5, "b": None}
    assert mask.value(value) == {MASK: [{"a": f"x{MASK}"}], "n": 5, "b": None}


def test_other_texts_are_left_as_they_are(mask: Mask) -> None:
    text = "100 % of C:\\new\\u0041 " * 20
    assert mask.text(text) == text
    assert not mask.hits(text)


def test_a_token_is_masked_before_a_text_is_cut() -> None:
    title = "x" * 180 + TOKEN
    message = read(json.dumps({"taskToken": TOKEN, "title": title, "summary": "y" * 9_970 + TOKEN}))
    assert TOKEN[:10] not in message.title
    assert TOKEN[:10] not in message.summary


def test_a_dedupe_key_made_of_the_token_does_not_make_all_messages_alike() -> None:
    body = {"taskToken": TOKEN, "dedupeKey": TOKEN, "requestedBy": f"step {TOKEN}"}
    message = read(json.dumps(body))
    assert message.dedupe_key == ""
    assert message.requested_by == f"step {MASK}"


@pytest.mark.parametrize(
    "body",
    [
        '{"taskToken": "secret-1", "a": 1}',
        '{"taskToken": "secret-1',
        "{\"TaskToken\" : 'secret-1'}",
        "{'task_token': secret-1}",
        '{"Message": "{\\"TaskToken\\":\\"secret-1\\"}"}',
        '{"Message": "{\\\\\\"Token\\\\\\":\\\\\\"secret-1\\\\\\"}"}',
        "taskToken=secret-1&x=1",
        "https://a.example/?token=secret-1",
        '{"token": "a\\/secret-1"}',
        '{"csrfToken": "secret-1"}',
        '{"taskToken": "secret-1"}'.encode("utf-16"),
        '{"taskToken": "secret-1"}'.encode("utf-16-le"),
    ],
)
def test_the_value_of_a_token_field_is_hidden_even_in_broken_json(body: str | bytes) -> None:
    shown = masked(body)
    assert "secret" not in shown
    assert MASK in shown


def test_a_long_run_is_cut_to_its_first_characters() -> None:
    assert masked("see " + "Ab+/=_-9" * 10 + " there") == "see Ab+/=_… there"
    assert masked("x" * 59) == "x" * 59


def test_a_known_token_is_hidden_in_what_is_displayed() -> None:
    assert masked("nothing but abc-123", TaskToken("abc-123")) == f"nothing but {MASK}"


def test_what_explains_the_problem_stays_readable() -> None:
    assert masked('{"taskToken": null, "gate": 5}') == '{"taskToken": null, "gate": 5}'


def test_the_display_is_short_and_ends_in_no_half_token() -> None:
    shown = masked("a b " * 30_000)
    assert len(shown) == 4_000
    assert shown.endswith("…")
    # The window's end falls inside a token; cut runs leave room for it in the display.
    body = (("x" * 999 + " ") * 64)[:-20] + "Zecret" * 200
    assert "Zecret" not in masked(body)


def test_what_is_displayed_can_be_stored() -> None:
    assert masked("a\x00b\ud800") == "ab\ufffd"
    assert masked(b"\xff\x00{") == "\ufffd{"
