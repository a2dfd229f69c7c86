"""Every sentence of a mail is there in every language, and installed as it was written."""

import re
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import to_locale

from approvals.models.user import LANGUAGES

ROOT = Path(__file__).parents[2]
OTHERS = [code for code, _ in LANGUAGES if code != settings.LANGUAGE_CODE]


@pytest.fixture(params=OTHERS)
def folder(request: pytest.FixtureRequest) -> Path:
    return ROOT / "approvals" / "locale" / to_locale(request.param) / "LC_MESSAGES"


@pytest.fixture
def written(folder: Path) -> Catalog:
    with (folder / "django.po").open("rb") as file:
        return read_po(file, locale=folder.parent.name)


def said() -> set[tuple[str | None, object]]:
    """What the code says, as (context, msgid or (singular, plural))."""
    found = extract_from_dir(ROOT / "approvals" / "notices")
    return {(context, frozen(message)) for _, _, message, _, context in found}


def frozen(message: object) -> object:
    """A plural's two forms, or the one there is."""
    return message if isinstance(message, str) else tuple(message)  # type: ignore[arg-type]


def test_every_sentence_is_translated_and_none_is_left_over(written: Catalog) -> None:
    there = {(one.context, frozen(one.id)) for one in written if one.id}
    assert there == said()
    for one in written:
        if one.id:
            assert not one.fuzzy
            assert all(texts(one)), one.id
            assert len(texts(one)) == (written.num_plurals if one.pluralizable else 1), one.id


def test_translations_have_the_placeholders_of_what_they_translate(written: Catalog) -> None:
    for one in written:
        wanted = set(re.findall(r"%\(\w+\)[sd]", "".join(one.id) if one.id else ""))
        for text in texts(one) if one.id else []:
            assert set(re.findall(r"%\(\w+\)[sd]", text)) == wanted, text
            assert text.count("%") == len(re.findall(r"%\(\w+\)[sd]", text)), text


def test_what_is_installed_is_what_was_written(folder: Path, written: Catalog) -> None:
    """`pybabel compile` has run since the last change (docs/notices.md)."""
    with (folder / "django.mo").open("rb") as file:
        installed = GNUTranslations(file)
    for one in written:
        if one.id and not one.pluralizable:
            said = (
                installed.pgettext(one.context, one.id)
                if one.context
                else installed.gettext(str(one.id))
            )
            assert said == one.string
        elif one.id:
            forms = {installed.ngettext(*one.id, n) for n in (1, 2)}
            assert forms == set(texts(one))


def texts(message: Message) -> list[str]:
    string = message.string
    return [string] if isinstance(string, str) else list(string)
