"""WHAT IS ASKED of a reviewer beside yes or no: choices, a form, changes to the payload. Pure, but
for reading whether anybody has decided yet."""

from approvals.asked.edits import may_change
from approvals.asked.form import form_of
from approvals.models import ApprovalTask


def needs_more(task: ApprovalTask) -> bool:
    """Whether deciding `task` takes more than one of two buttons and a comment."""
    return bool(form_of(task) or task.gate.choices or task.choices or may_change(task))
