"""Deciding from a task's record: the page says what comes of it and asks as the inbox does."""

from tests.factories import GateFactory, task_for


def test_the_page_asks_what_the_gate_asks_and_says_what_comes_of_it(administrator, ada):
    form = {"type": "object", "required": ["limit"], "properties": {"limit": {"type": "number"}}}
    gate = GateFactory(users=[ada], form=form, editable=["/amount"], quorum=2)
    url = f"/admin/approvals/approvaltask/{task_for(gate, input={'amount': 1}).pk}/decide/"
    html = administrator.get(url, {"verdict": "approve"}).content.decode()
    marks = [
        html.index(one)
        for one in ("1 more approval is needed after yours", 'name="form-limit"',
                    "You may change the payload", 'name="edit-0"', 'name="comment"')
    ]  # fmt: skip
    assert marks == sorted(marks)
    html = administrator.get(url, {"verdict": "reject"}).content.decode()
    assert "Then the step fails with Rejected." in html
    assert "form-limit" not in html
    refused = administrator.post(url, {"verdict": "reject", "comment": ""})
    assert refused.status_code == 422
    html = refused.content.decode()
    assert "Not sent yet." in html
    assert "Please say why you reject this." in html
    assert 'aria-invalid="true"' in html
