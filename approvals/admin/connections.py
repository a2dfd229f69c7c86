"""ADMIN, configuration: how to reach the engines. A secret goes in and never comes out again."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from approvals.admin.on_the_record import OnTheRecord
from approvals.models import Connection
from approvals.tokens import encrypt

NONE, GOOGLE = Connection.Auth.NONE, Connection.Auth.GOOGLE


class ConnectionForm(forms.ModelForm):
    secret = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"}),
    )
    clear_secret = forms.BooleanField(required=False, label="Remove the stored secret")

    class Meta:
        widgets = {"hosts": forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = Connection.objects.filter(pk=self.instance.pk).exclude(secret_ciphertext=b"")
        self.has_stored = stored.exists()
        if "secret" in self.fields:
            self.fields["clear_secret"].disabled = not self.has_stored
            self.fields["secret"].help_text = (
                "One is stored. Blank: it stays." if self.has_stored else "None is stored."
            ) + " Key, token, client secret or a Google service account's JSON."

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("secret") and data.get("clear_secret"):
            self.add_error("clear_secret", "Give a new secret, or remove the stored one.")
        wanted = _wants_secret(data)
        left = data.get("secret") or (self.has_stored and not data.get("clear_secret"))
        if wanted and not left and "secret" not in self.errors:
            self.add_error("secret", wanted)
        return data


def _wants_secret(data: dict[str, Any]) -> str:
    """Why this connection can't do without a secret, or ""."""
    # Google's can be the identity of the machine itself.
    if data.get("kind") == "callback_url" and data.get("auth") not in (NONE, GOOGLE):
        return "This credential needs a secret."
    if data.get("kind") == "cloudflow" and data.get("key_id"):
        return "The access key id goes with a secret."
    return ""


@admin.register(Connection)
class ConnectionAdmin(OnTheRecord):
    form = ConnectionForm
    list_display = ("name", "kind", "region", "probe_seconds")
    search_fields = ("name",)
    # The classes say for which engines a group is shown (static/admin/countersign.css).
    fieldsets = (
        (None, {"fields": ("name", "kind")}),
        ("Where", {"classes": ("for-cloud",), "fields": ("region", "endpoint_url")}),
        (
            "Another account",
            {"classes": ("for-step_functions",), "fields": ("role_arn", "external_id")},
        ),
        (
            "Where answers may go",
            {
                "classes": ("for-callback_url",),
                "fields": ("hosts", "auth", "header_name", "token_url", "scope"),
            },
        ),
        (
            "Secret",
            {"classes": ("for-secret",), "fields": ("key_id", "secret", "clear_secret")},
        ),
        (
            "Times and liveness",
            {"classes": ("for-cloud",), "fields": ("reads_definitions", "probe_seconds")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("secret_ciphertext")

    @method_decorator(sensitive_post_parameters("secret"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if secret := form.cleaned_data["secret"]:
            obj.secret_ciphertext = encrypt(secret)
        elif form.cleaned_data["clear_secret"]:
            obj.secret_ciphertext = b""
        super().save_model(request, obj, form, change)

    def changes_of_secrets(self, form: Any) -> dict[str, list[Any]]:
        if form.cleaned_data["secret"]:
            return {"secret": [None, "changed" if form.has_stored else "set"]}
        if form.cleaned_data["clear_secret"] and form.has_stored:
            return {"secret": [None, "removed"]}
        return {}
