"""What is said when a setting cannot be.

One sentence: where it stands, its section and key, what it must be, and what was given instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from tidings.app.settings.fields import Section
from tidings.app.settings.layers import Layer, Place, find, origin
from tidings.app.settings.sections import SECTIONS
from tidings.errors import SettingsError

SHOWN_LENGTH = 60

Objection = tuple[Place, str]
"""Where something stands that cannot be, and the sentence about it."""

# The types of error that our fields can meet, and what each expects. `ctx` of the error fills the braces.
_EXPECTATIONS: dict[str, str] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a table",
    "enum": "{expected}",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of a reasonable size",
    "int_type": "a whole number",
    "less_than_equal": "at most {le:g}",
    "literal_error": "{expected}",
    "model_type": "a table",
    "tables_type": "a list of tables",
    "string_too_short": "a text that is not empty",
    "string_type": "a text in quotes",
    "tuple_type": "a list of texts",
    "value_error": "a list of texts",
}


def invalid(section: str, error: ValidationError, layers: Sequence[Layer]) -> SettingsError:
    """The first thing that is wrong with a section."""
    details = error.errors(include_url=False)[0]
    path: tuple[int | str, ...] = (section, *details["loc"])
    index = next((depth for depth, part in enumerate(path) if isinstance(part, int)), len(path))
    place = tuple(str(part) for part in path[:index])
    # As it was written, not as the validators left it.
    value = next(found for layer in reversed(layers) if (found := find(layer.values, place)) is not None)
    if index < len(path) and not _is_word(details):
        complaint = _of_entry(place, path[index:], details)
    elif details["type"] == "extra_forbidden" and (owners := _siblings_with(place)):
        complaint = f'{heading(place[:-1])} has no key "{place[-1]}"; it is one of {", ".join(owners)}.'
    elif details["type"] == "extra_forbidden":
        complaint = f'{heading(place[:-1])} has no key "{place[-1]}"; did you mean {_meant(place, value)}?'
    else:
        complaint = f"{_subject(place)} must be {_expected(details)}{_instead(place, value)}."
    return SettingsError(origin(layers, place) + complaint)


def unknown_section(name: str, value: Any, layers: Sequence[Layer]) -> SettingsError:
    """There is no such section; or it is a key that has lost its section."""
    homes = _sections_with(name)
    if isinstance(value, Mapping) or not homes:
        complaint = f"there is no section {heading((name,))}; did you mean [{_nearest(name, SECTIONS)}]?"
    else:
        complaint = f'"{name}" stands outside of any section; did you mean [{homes[0]}] {name}?'
    return SettingsError(origin(layers, (name,)) + complaint)


def heading(place: Place) -> str:
    """A section as the file writes it: [channels.namespaces."a b"]."""
    parts = (part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else given(part) for part in place)
    return f"[{'.'.join(parts)}]"


def objection(place: Place, fault: str) -> Objection:
    """An objection to one key; `fault` is what the sentence goes on with after its name."""
    return place, f"{heading(place[:-1])} {place[-1]} {fault}."


def given(value: Any) -> str:
    """A value as the file would write it, shortened."""
    if isinstance(value, Mapping):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…"


def _meant(place: Place, value: Any) -> str:
    *section, key = place
    if section == ["channels"] and isinstance(value, Mapping):
        return heading(("channels", "namespaces", key))
    known = _model(place[:-1]).model_fields
    if "issuers" in known and isinstance(value, Mapping) and not get_close_matches(key, known):
        return heading((*section, "issuers", key))
    homes = _sections_with(key)
    if homes and not get_close_matches(key, known):
        return f"[{homes[0]}] {key}"
    return f'"{_nearest(key, known)}"'


def _of_entry(place: Place, inner: Sequence[int | str], details: ErrorDetails) -> str:
    """Of a table in a list: `inner` is its number, and where in it something is wrong."""
    number, *names = inner
    key = ".".join(map(str, names))
    subject = f"{_subject(place)}, entry {int(number) + 1}:"
    if details["type"] == "missing":
        return f"{subject} {key} is missing."
    if details["type"] == "extra_forbidden":
        *tables, last = map(str, names)
        nearest = _nearest(last, _model((*place, *tables)).model_fields)
        return f'{subject} there is no key "{key}"; did you mean "{".".join([*tables, nearest])}"?'
    return f"{subject} {key or 'it'} must be {_expected(details)}, not {given(details['input'])}."


def _subject(place: Place) -> str:
    return f"{heading(place[:-1])} {place[-1]}" if len(place) > 1 else heading(place)


def _expected(details: ErrorDetails) -> str:
    kind = "tuple_type" if _is_word(details) else details["type"]
    expectation: str = _EXPECTATIONS[kind].format(**details.get("ctx", {}))
    return expectation.replace("'", '"')


def _is_word(details: ErrorDetails) -> bool:
    """Whether it is about a text in a list of them."""
    return details["type"] == "string_type" and isinstance(details["loc"][-1], int)


def _instead(place: Place, value: Any) -> str:
    """What was given in its place; a secret is not repeated, even where it is of the wrong type."""
    field = _model(place[:-1]).model_fields.get(place[-1]) if len(place) > 1 else None
    secret = field is not None and field.annotation is SecretStr
    return "" if secret else f", not {given(value)}"


def _model(section: Place) -> type[Section]:
    """What the table at a place has to be; of a table or list of tables, what each of these has to be."""
    annotation: Any = SECTIONS[section[0]]
    for part in section[1:]:
        is_named = get_origin(annotation) is dict
        annotation = get_args(annotation)[1] if is_named else _element(annotation).model_fields[part].annotation
    model: type[Section] = get_args(annotation)[1] if get_origin(annotation) is dict else _element(annotation)
    return model


def _element(annotation: Any) -> Any:
    """What a list, or what may be absent, consists of; anything else is what it is."""
    return annotation if isinstance(annotation, type) else get_args(annotation)[0]


def _siblings_with(place: Place) -> list[str]:
    """The tables beside that of a key, which has no such key itself, that have one."""
    *above, table, key = place
    fields = _model(tuple(above)).model_fields if above else {}
    if table not in fields:  # Tables with names of their own are all alike.
        return []
    models = {name: field.annotation for name, field in fields.items() if isinstance(field.annotation, type)}
    return [
        heading((*above, name))
        for name, model in models.items()
        if issubclass(model, Section) and key in model.model_fields
    ]


def _sections_with(key: str) -> list[str]:
    return [section for section, model in SECTIONS.items() if key in model.model_fields]


def _nearest(name: str, known: Iterable[str]) -> str:
    # Without a cutoff: even a bad guess shows what a name looks like here.
    return get_close_matches(name, list(known), n=1, cutoff=0.0)[0]
