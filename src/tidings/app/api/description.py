"""The HTTP API described for programs, as OpenAPI 3.1: GET /api/openapi.json.

Made from what reads requests and writes answers, so it cannot say otherwise than they do; here are only the words
for it, and the HTTP around it. It holds no secret and is served without the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from tidings.app.api import words
from tidings.app.api.batch import BatchRequest
from tidings.app.api.bodies import LegacyRequest
from tidings.app.api.methods import Api
from tidings.app.api.requests import REQUESTS
from tidings.app.api.results import Error, Result
from tidings.app.api.schemas import components
from tidings.version import __version__

Json = dict[str, Any]

PATH = "/api/openapi.json"

MOST = 2**64 - 1
"""What an offset or a version may be; the decoder cannot be told, so the request looks for itself."""

RESULTS: Mapping[str, type[Result]] = {name: get_type_hints(getattr(Api, name))["return"] for name in REQUESTS}
"""What each method answers, as it says itself."""

_JSON = "application/json"
_TEXT = "text/plain"


class Document:
    """The description, as an ASGI application. Its `servers` name where the API is mounted."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = encoded(scope.get("root_path", ""))
        headers = [(b"content-type", _JSON.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@lru_cache(maxsize=4)
def encoded(root_path: str) -> bytes:
    """The description as JSON; an application mounts its hub in one place."""
    return msgspec.json.encode(described(root_path))


def described(root_path: str = "") -> Json:
    """The description as plain values."""
    paths = {f"/api/{name}": _operation(name, _ref(request), _wrapped(name)) for name, request in REQUESTS.items()}
    paths["/api/batch"] = _operation("batch", _ref(BatchRequest), {"$ref": "#/components/schemas/BatchResult"})
    either = [_wrapped(name) for name in REQUESTS]
    paths["/api"] = _operation("legacy", _ref(LegacyRequest), {"anyOf": either})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tidings", "version": __version__, "description": words.ABOUT},
        "servers": [{"url": root_path or "/"}],
        "security": [{name: []} for name in words.KEYS],
        "paths": {path: {"post": operation} for path, operation in paths.items()},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {name: {"type": "apiKey", **where} for name, where in words.KEYS.items()},
            "headers": _headers(),
            "responses": _refusals(),
        },
    }


# Operations.


def _operation(name: str, request: Json, answer: Json) -> Json:
    return {
        "operationId": name,
        "summary": words.METHODS[name],
        "parameters": [
            {
                "name": "X-Centrifugo-Error-Mode",
                "in": "header",
                "description": words.ERROR_MODE,
                "schema": {"type": "string", "examples": ["transport"]},
            }
        ],
        "requestBody": {"required": True, "content": {_JSON: {"schema": request}}},
        "responses": {
            "200": {"description": words.ANSWER, "content": {_JSON: {"schema": answer}}},
            **{str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in words.STATUSES},
        },
    }


def _wrapped(name: str) -> Json:
    """A result in its envelope, or an error in its own."""
    result = {"type": "object", "properties": {"result": _ref(RESULTS[name])}, "required": ["result"]}
    return {"oneOf": [result, {"$ref": "#/components/schemas/Failure"}]}


def _refusals() -> Json:
    """The answers that are no success; those with an error of ours as JSON, the others in words."""
    return {_name(status): _refusal(status, *about) for status, about in words.STATUSES.items()}


def _refusal(status: int, meaning: str, kinds: tuple[str, ...]) -> Json:
    schemas = {_JSON: _ref(Error), _TEXT: {"type": "string"}}
    return {
        "description": meaning,
        "content": {kind: {"schema": schemas[kind]} for kind in kinds},
        "headers": {
            header: {"$ref": f"#/components/headers/{header}"}
            for header in words.HEADERS
            if status in words.HEADERS[header][0]
        },
    }


def _headers() -> Json:
    return {
        name: {"description": meaning, "required": is_sure, "schema": {"type": "string"}}
        for name, (_, meaning, is_sure) in words.HEADERS.items()
    }


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")


# Schemas.


def _schemas() -> Json:
    types: list[type[Struct]] = [*REQUESTS.values(), *RESULTS.values(), Error, LegacyRequest, BatchRequest]
    schemas = components(types, "#/components/schemas/{name}")
    schemas["Failure"] = {"type": "object", "properties": {"error": _ref(Error)}, "required": ["error"]}
    replies = {name: _ref(result) for name, result in RESULTS.items()} | {"error": _ref(Error)}
    reply = {"type": "object", "properties": replies, "minProperties": 1, "maxProperties": 1}
    schemas["BatchResult"] = {
        "type": "object",
        "properties": {"replies": {"type": "array", "items": reply}},
        "required": ["replies"],
    }
    return {name: _told(name, schema) for name, schema in sorted(schemas.items())}


def _told(name: str, schema: Json) -> Json:
    """A schema in our words; those of its class are for whoever reads the code."""
    fields = {field: _field(name, field, one) for field, one in schema.get("properties", {}).items()}
    told = {key: value for key, value in schema.items() if key not in ("title", "description")}
    return {"description": words.SCHEMAS[name], **told} | ({"properties": fields} if fields else {})


def _field(schema: str, name: str, described: Json) -> Json:
    meaning = words.FIELDS.get(f"{schema}.{name}") or words.FIELDS.get(name, "")
    if name in ("offset", "version") and described != {"type": "string"}:
        described = _bounded(described)
    if name.startswith("b64"):
        described = {**described, "contentEncoding": "base64"}
    return {"description": meaning, **described} if meaning else described


def _bounded(described: Json) -> Json:
    if "anyOf" in described:
        return {**described, "anyOf": [_bounded(one) for one in described["anyOf"]]}
    return {**described, "maximum": MOST} if described.get("type") == "integer" else described


def _ref(model: type) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
