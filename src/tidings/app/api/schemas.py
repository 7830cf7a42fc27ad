"""JSON Schema of structs, also of those with fields that stay raw JSON.

msgspec makes the schema, but stumbles over a raw default. So it is shown a twin of each struct, in which such a field
is simply optional and anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Raw, Struct, defstruct
from msgspec.structs import fields


def components(structs: Sequence[type[Struct]], template: str) -> dict[str, Any]:
    """The schemas of the structs, and of all in them, by name. `template` makes a reference of a `{name}`."""
    _, schemas = msgspec.json.schema_components([_twin(one) for one in structs], ref_template=template)
    return schemas


@cache
def _twin(struct: type[Struct]) -> type[Struct]:
    return defstruct(struct.__name__, [*_fields(struct)], kw_only=True)


def _fields(struct: type[Struct]) -> Iterator[tuple[str, Any, Any]]:
    for one in fields(struct):
        if isinstance(one.default, Raw):
            default = msgspec.field(default_factory=_nothing)
        elif one.default_factory is not NODEFAULT:
            default = msgspec.field(default_factory=one.default_factory)
        else:
            default = msgspec.field(default=one.default)
        yield one.encode_name, _type(one.type), default


def _type(kind: Any) -> Any:
    """The type with twins in place of structs."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _twin(kind)
    if kind is Raw:
        return Any
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return Annotated[(_type(arguments[0]), *kind.__metadata__)]
    if not arguments:
        return kind
    inner = tuple(map(_type, arguments))
    return origin[inner] if origin in (list, dict) else Union[inner]  # noqa: UP007, made of what is only known here


def _nothing() -> None:
    """A default that no schema names."""
