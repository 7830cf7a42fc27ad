"""The description of the HTTP API: complete, in our words, and what is served."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidings.app.api import words
from tidings.app.api.description import MOST, RESULTS, described
from tidings.app.api.http import STATUSES
from tidings.app.api.requests import REQUESTS

pytestmark = pytest.mark.core

DESCRIPTION = described()
SCHEMAS = DESCRIPTION["components"]["schemas"]


def test_every_method_is_described() -> None:
    """With what it takes and what it answers; so are the batch and the single endpoint."""
    assert set(DESCRIPTION["paths"]) == {"/api", "/api/batch", *(f"/api/{name}" for name in REQUESTS)}
    for name in REQUESTS:
        operation = DESCRIPTION["paths"][f"/api/{name}"]["post"]
        assert operation["summary"]
        assert _reference(operation["requestBody"]) == REQUESTS[name].__name__
        answered = operation["responses"]["200"]["content"]["application/json"]["schema"]["oneOf"][0]
        assert answered["properties"]["result"] == {"$ref": f"#/components/schemas/{RESULTS[name].__name__}"}


def test_every_status_is_described() -> None:
    """Those of error codes that the API can answer, and those of HTTP itself. 113 needs what this version has not."""
    assert {status for code, status in STATUSES.items() if code != 113} <= set(words.STATUSES)
    assert set(DESCRIPTION["components"]["responses"]) == {
        response["$ref"].rpartition("/")[2]
        for response in DESCRIPTION["paths"]["/api/publish"]["post"]["responses"].values()
        if "$ref" in response
    }


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_and_field_is_explained(name: str) -> None:
    """In a sentence, except where the field is a schema with a sentence of its own."""
    assert SCHEMAS[name]["description"]
    for field, schema in SCHEMAS[name].get("properties", {}).items():
        assert schema.get("description") or "$ref" in json.dumps(schema), f"{name}.{field}"


def test_no_word_is_left_over() -> None:
    """Whatever is explained is there."""
    fields = {(name, field) for name, schema in SCHEMAS.items() for field in schema.get("properties", {})}
    plain = {field for _, field in fields}
    assert {field for field in words.FIELDS if "." not in field} <= plain
    assert {tuple(field.split(".")) for field in words.FIELDS if "." in field} <= fields
    assert set(words.SCHEMAS) == set(SCHEMAS)


def test_every_reference_leads_somewhere() -> None:
    for reference in _references(DESCRIPTION):
        place: Any = DESCRIPTION
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_offsets_and_versions_are_bounded() -> None:
    """By what 64 bits hold, as the requests themselves check."""
    assert SCHEMAS["Position"]["properties"]["offset"]["anyOf"][0]["maximum"] == MOST
    assert SCHEMAS["PublishRequest"]["properties"]["version"]["anyOf"][0]["maximum"] == MOST


def test_the_key_is_asked_for_in_three_places() -> None:
    """Any of them is enough."""
    assert DESCRIPTION["security"] == [{"key": []}, {"authorization": []}, {"query": []}]


def test_a_mounted_hub_names_where_it_is() -> None:
    assert described("/realtime")["servers"] == [{"url": "/realtime"}]
    assert described()["servers"] == [{"url": "/"}]


def _reference(holder: Any) -> str:
    return str(holder["content"]["application/json"]["schema"]["$ref"]).rpartition("/")[2]


def _references(value: Any) -> Any:
    match value:
        case dict():
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for one in value.values():
                yield from _references(one)
        case list():
            for one in value:
                yield from _references(one)
