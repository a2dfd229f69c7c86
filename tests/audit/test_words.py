"""What was recorded reads like a sentence, whatever was recorded."""

from approvals.audit.words import LONGEST, details


def test_a_change_of_configuration_names_old_and_new():
    data = {
        "model": "gate",
        "object": "Refunds",
        "id": "3",
        "change": "changed",
        "changes": {
            "approvals required": [1, 2],
            "groups": [["A"], ["A", "B"]],
            "email": ["", "x"],
        },
    }
    assert details(data) == [
        ("Configuration", "gate “Refunds” changed"),
        ("approvals required", "1 → 2"),
        ("groups", "A → A, B"),
        ("email", "nothing → x"),
    ]


def test_what_was_added_had_nothing_before():
    data = {"model": "gate", "object": "A", "change": "added", "changes": {"name": [None, "A"]}}
    assert details(data) == [("Configuration", "gate “A” added"), ("name", "A")]
    data |= {"change": "deleted", "changes": {"name": ["A", None]}}
    assert details(data) == [("Configuration", "gate “A” deleted"), ("name", "A")]


def test_ids_of_other_rows_and_blanks_are_left_out():
    assert details({"comment": "", "decision": "0193", "via": "inbox"}) == [("Via", "inbox")]


def test_what_nobody_foresaw_is_shown_all_the_same():
    assert details({"odd_thing": {"a": [1]}, "yes_or_no": False}) == [
        ("Odd thing", '{"a": [1]}'),
        ("Yes or no", "no"),
    ]


def test_long_texts_are_cut():
    [(_, text)] = details({"comment": "x" * 5_000})
    assert len(text) == LONGEST
