"""ADMIN, configuration: where messages enter, who may call, and a trial before it is saved."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters

from approvals.admin import examples, trial
from approvals.admin.json_field import JsonField
from approvals.admin.keys import NewKey, WithKeys
from approvals.intake import keys
from approvals.intake.mapping import FIELDS
from approvals.models import Connection, Source, SourceKey, User
from approvals.people.roles import OPERATE

MAPPING_HELP = (
    "A JSON object of JMESPath expressions for messages of another shape, by field: "
    '{"token": "callback.handle", "title": "ticket.subject"}. They see what is inside of SNS and '
    f"EventBridge envelopes. Fields: {', '.join(FIELDS)}. What is not mapped, or gives null, is "
    "read from the message itself; without “input” reviewers see all of it."
)


# What callers know a key's id as.
_KEY_NAMES: dict[str, str] = {Source.Auth.BASIC: "User name", Source.Auth.OAUTH: "Client id"}


class SourceForm(forms.ModelForm):
    mapping = JsonField(empty={}, help_text=MAPPING_HELP)

    class Meta:
        widgets = {"topic_arns": forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"})}
        help_texts = {
            "kind": "Whatever can POST comes by a webhook, API destinations of EventBridge too."
        }


class TrialForm(SourceForm):
    """Never valid, so that the page comes again with what was typed, and nothing is saved."""

    def is_valid(self) -> bool:
        super().is_valid()
        return False


@admin.register(Source)
class SourceAdmin(WithKeys):
    form = SourceForm
    list_display = (
        "name",
        "kind",
        "enabled",
        "connection",
        "gate",
        "last_message_at",
        "last_poll_at",
        "last_error",
    )
    list_select_related = ("connection", "gate")
    search_fields = ("name", "queue_url")
    readonly_fields = ("caller_address", "last_message_at", "last_poll_at", "last_error")
    # The classes say for which kinds a group is shown (static/admin/countersign.css).
    fieldsets = (
        (None, {"fields": ("name", "kind", "enabled")}),
        ("The queue", {"classes": ("for-queue",), "fields": ("queue_url", "region")}),
        (
            "The address",
            {
                "classes": ("for-address",),
                "fields": ("caller_address", "auth", "header_name", "topic_arns"),
            },
        ),
        ("Emulators", {"classes": ("for-vendor",), "fields": ("endpoint_url",)}),
        ("Its messages", {"fields": ("connection", "gate", "mapping", "tells_of_executions")}),
        (
            "How it is doing",
            {"fields": ("silent_after", "last_message_at", "last_poll_at", "last_error")},
        ),
    )

    keys_lead = (
        "What callers of the address show. At most two are live, so that one can be replaced "
        "without a gap."
    )
    most_keys = SourceKey.LIVE

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("connection__secret_ciphertext")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "connection":
            kwargs["queryset"] = Connection.objects.defer("secret_ciphertext")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="address to give to callers")
    def caller_address(self, source: Source) -> str:
        if source.pk is None:
            return "There is one once the source is saved."
        return format_html('<code class="cs-copy" data-copy>{}</code>', address_of(source))

    # --- Keys ---

    def takes_keys(self, obj: Source) -> bool:
        return obj.is_called and obj.auth != Source.Auth.SNS

    def keys_of(self, obj: Source) -> QuerySet[SourceKey]:
        return SourceKey.objects.filter(source=obj).defer("secret_ciphertext")

    def make_key(self, request: HttpRequest, obj: Source, actor: User) -> NewKey:
        issued = keys.issue(obj, actor)
        address = address_of(obj)
        token_address = settings.SITE_URL + reverse("oauth_token")
        name = _KEY_NAMES.get(obj.auth, "Key")
        facts = {"Address": address, name: issued.key_id}
        if obj.auth == Source.Auth.OAUTH:
            facts["Token address"] = token_address
        if obj.auth == Source.Auth.API_KEY:
            facts["Header"] = obj.header_name
        example = examples.send_message(obj, address, token_address, issued.key_id)
        return NewKey(facts, issued.secret, example)

    def revoke_key(self, key: SourceKey, actor: User) -> None:
        keys.revoke(key, actor)

    # --- Trial ---

    @method_decorator(sensitive_post_parameters("sample"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(request, *args, **kwargs)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if "_try" in request.POST:
            kwargs["form"] = TrialForm
        return super().get_form(request, obj, change, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        stored: Source | None = context.get("original")
        context["held_messages"] = (
            trial.held_messages(stored) if stored and request.user.has_perm(OPERATE) else []
        )
        context["chosen"] = request.POST.get("held") or request.GET.get("held", "")
        context["sample"] = request.POST.get("sample", "")
        if "_try" in request.POST:
            source = context["adminform"].form.instance
            context["trial"] = _trial(source, context["sample"], context["chosen"], context)
        return super().render_change_form(request, context, *args, **kwargs)


def address_of(source: Source) -> str:
    return settings.SITE_URL + reverse("intake", args=[source.address])


def _trial(source: Source, sample: str, chosen: str, context: dict[str, Any]) -> trial.Trial:
    form = context["adminform"].form
    if form.errors.get("mapping") or not source.connection_id:
        return trial.Trial(problem="Correct the mapping and the connection above first.")
    if sample.strip():
        return trial.try_sample(source, sample)
    offered = {str(one.pk) for one in context["held_messages"]}
    if chosen in offered:
        return trial.try_held(source, chosen)
    return trial.Trial(problem="Paste a message, or choose one from quarantine.")
