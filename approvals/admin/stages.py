"""ADMIN, configuration: the later stages of a gate, in the gate's own form."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.models import BaseInlineFormSet

from approvals.gates.apply import ASIDE
from approvals.gates.check import check_stage, check_stages, check_unused
from approvals.models import Gate, Stage


class StageForm(forms.ModelForm):
    instance: Stage

    def validate_constraints(self) -> None:
        """The order is a matter of all of them (`check_stages`): two may change places."""

    def _post_clean(self) -> None:
        """The rules of a stage, once its own fields are right."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            check_stage(self.instance.gate, self.instance, self.cleaned_data["groups"])
        except ValidationError as error:
            self.add_error(None, error)


class StageFormSet(BaseInlineFormSet):
    instance: Gate
    _should_delete_form: Callable[[Any], bool]

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        kept = [form for form in self.forms if form.instance.pk or form.has_changed()]
        check_stages([form.instance for form in kept if not self._should_delete_form(form)])
        for form in self._that_give_up_their_place():
            check_unused(Stage.objects.get(pk=form.instance.pk))

    def save(self, commit: bool = True) -> Any:
        """Those that move stand aside first, so that two can change places."""
        ids = [form.instance.pk for form in self._that_give_up_their_place()]
        Stage.objects.filter(pk__in=ids).update(position=models.F("position") + ASIDE)
        return super().save(commit)

    def _that_give_up_their_place(self) -> list[Any]:
        return [
            form
            for form in self.initial_forms
            if self._should_delete_form(form) or "position" in form.changed_data
        ]


class StageInline(admin.StackedInline):
    model = Stage
    form = StageForm
    formset = StageFormSet
    filter_horizontal = ("groups", "users")
    fields = (("position", "name"), "groups", "users", ("needs", "quorum"), "veto")
    extra = 1  # without JavaScript there is no button for more
    verbose_name_plural = "Later stages"

    def get_formset(self, request: Any, obj: Any = None, **kwargs: Any) -> Any:
        kwargs["help_texts"] = {
            "position": "Its place in the order; numbers may leave gaps.",
        }
        return super().get_formset(request, obj, **kwargs)
