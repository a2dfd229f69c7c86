"""WHAT IS ASKED, the page's form: comment, the fields of the schema, and what of the payload may be
changed. Every door shows this one; what it gives goes to `decide` as it is.

Reads only. `decide` checks all of it again, under the lock.
"""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.boundfield import BoundField

from approvals.asked.choices import Choice
from approvals.asked.edits import (
    UNCHANGED,
    CannotChange,
    check_edits,
    digest,
    edits_between,
    find,
    is_masked,
    may_change,
    payload_of,
    put,
)
from approvals.asked.fields import (
    LONG,
    MAX_TEXT_LENGTH,
    JsonField,
    NumberField,
    TextField,
    fields_of,
    is_flat,
    shown,
    with_plain_ends,
)
from approvals.asked.form import form_of, label_of, problems
from approvals.intake.expressions import BadExpression, Evaluation
from approvals.models import ApprovalTask
from approvals.states import Verdict

_FORM, _EDIT = "form-", "edit-"
_WHOLE_FORM = "form"  # where it is one text of JSON


class CommentForm(forms.Form):
    comment = forms.CharField(max_length=4_000, required=False, strip=True)


class DecisionForm(CommentForm):
    """For one way to decide one task. After `is_valid`, `arguments` are those of `decide`."""

    seen = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)

    def __init__(
        self, task: ApprovalTask, choice: Choice, data: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data, auto_id="%s")
        self.task, self.choice = task, choice
        approves = choice.verdict == Verdict.APPROVE
        self.schema = form_of(task) if approves else None
        self.is_flat = self.schema is not None and is_flat(self.schema)
        self.pointers: dict[str, str] = {}  # by field
        self.too_large: list[str] = []
        self.values: dict[str, Any] | None = None
        self.payload: Any = UNCHANGED
        self.initial["seen"] = digest(task)
        if self.schema is not None:
            self._ask(self.schema)
        if approves and may_change(task) and not task.decisions.standing().exists():
            self._offer_changes()
        self._focus_first()

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "choice": self.choice.key,
            "comment": self.cleaned_data["comment"],
            "form": self.values,
            "payload": self.payload,
            "seen": self.cleaned_data["seen"],
        }

    # --- what the template asks ---

    @property
    def asked(self) -> list[BoundField]:
        return [self[name] for name in self.fields if name.startswith(_FORM) or name == _WHOLE_FORM]

    @property
    def changeable(self) -> list[BoundField]:
        return [self[name] for name in self.pointers]

    @property
    def wrong(self) -> list[BoundField]:
        """The fields with errors, for a summary that leads to each."""
        return [field for field in [*self.asked, *self.changeable, self["comment"]] if field.errors]

    # --- the schema's fields ---

    def _ask(self, schema: Mapping[str, Any]) -> None:
        defaults = _defaults(schema, payload_of(self.task))
        if self.is_flat:
            for name, field in fields_of(schema).items():
                self.fields[_FORM + name] = field
                if name in defaults:
                    self.initial[_FORM + name] = shown(defaults[name], schema["properties"][name])
            return
        self.fields[_WHOLE_FORM] = JsonField(
            label=str(schema.get("title") or "Form"),
            help_text=str(schema.get("description") or "A JSON object."),
        )
        self.initial[_WHOLE_FORM] = _json(defaults)

    def _read_values(self, schema: Mapping[str, Any]) -> None:
        if not self.is_flat:
            values = self.cleaned_data.get(_WHOLE_FORM)
            if _WHOLE_FORM in self.errors:
                return
            for name, words in problems(schema, values).items():
                where = f"“{label_of(schema, name)}”: " if name else ""
                self.add_error(_WHOLE_FORM, [where + one for one in words])
            self.values = values
            return
        required = schema.get("required", ())
        said = {name: self.cleaned_data.get(_FORM + name) for name in schema["properties"]}
        self.values = {
            name: value
            for name, value in said.items()
            if value is not None and value != "" and (value != [] or name in required)
        }
        for name, words in problems(schema, self.values).items():
            field = _FORM + name if _FORM + name in self.fields else None
            if field is None or field not in self.errors:
                self.add_error(field, words)

    # --- the payload's fields ---

    def _offer_changes(self) -> None:
        payload = payload_of(self.task)
        for position, pointer in enumerate(self.task.gate.editable):
            try:
                value = find(payload, pointer)
            except LookupError:
                continue
            field, initial = _field_for(value)
            field.label = " › ".join(pointer.split("/")[1:]) or "Payload"
            if field.max_length and len(initial or "") > field.max_length:
                self.too_large.append(field.label)
            elif isinstance(value, dict | list) or not is_masked(value):
                name = f"{_EDIT}{position}"
                self.fields[name], self.initial[name] = field, initial
                self.pointers[name] = pointer

    def _read_changes(self) -> None:
        before = after = payload_of(self.task)
        for name, pointer in self.pointers.items():
            value, old = self.cleaned_data.get(name), find(before, pointer)
            if name in self.errors or _is_as_shown(value, old):
                continue
            try:
                after = put(after, pointer, value)
            except LookupError:
                self.add_error(name, "This place is gone with another change above.")
        try:
            if check_edits(self.task, after):
                self.payload = after
        except CannotChange as reason:
            self.add_error(None, str(reason))

    def clean(self) -> dict[str, Any]:
        if self.schema is not None:
            self._read_values(self.schema)
        if self.pointers:
            self._read_changes()
        return self.cleaned_data

    def _focus_first(self) -> None:
        names = [field.name for field in (*self.asked, *self.changeable)]
        for name in [*names, "comment"][:1]:
            self.fields[name].widget.attrs["autofocus"] = True


def _defaults(schema: Mapping[str, Any], payload: Any) -> dict[str, Any]:
    """What each property starts with: what its x-default-from finds in the payload, else its
    default."""
    evaluation, found = Evaluation(), {}
    for name, one in schema["properties"].items():
        if not isinstance(one, dict):
            continue
        value = None
        if isinstance(one.get("x-default-from"), str):
            try:
                value = evaluation.of(one["x-default-from"], payload)
            except BadExpression:
                value = None  # it does not fit this payload: nothing to start with
        value = one.get("default") if value is None else value
        if value is not None:
            found[name] = value
    return found


def _field_for(value: Any) -> tuple[Any, Any]:
    """A field of the value's own type, and what it starts with."""
    match value:
        case bool():
            return forms.BooleanField(required=False), value
        case int() | float():
            attrs = {"class": "input", "step": "any"}
            return NumberField(widget=forms.NumberInput(attrs=attrs)), json.dumps(value)
        case str():
            is_long = len(value) > LONG or "\n" in value or "\r" in value
            look: dict[str, Any] = {"class": "input", "rows": 4} if is_long else {"class": "input"}
            widget = (forms.Textarea if is_long else forms.TextInput)(attrs=look)
            return TextField(
                required=False, strip=False, max_length=MAX_TEXT_LENGTH, widget=widget
            ), value
        case _:
            text, field = _json(value), JsonField(required=value is not None)
            field.widget.attrs["rows"] = min(14, text.count("\n") + 2)
            return field, text


def _is_as_shown(value: Any, old: Any) -> bool:
    """Whether nobody touched it: browsers have line ends of their own."""
    before = with_plain_ends(old) if isinstance(old, str) else old
    return not edits_between(before, value)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
