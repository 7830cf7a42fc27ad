"""What hypothesis has to know of the protocol: `st.from_type(Command)` draws any command, and so for every message.

Payloads are valid JSON, which both encodings can carry. Of an envelope (`Command`, `Reply`, `Push`) one payload field
is set.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from msgspec import Raw, inspect

from tidings.wire.centrifuge.messages import NOTHING, Command, Message, Push, Reply


def message(type_: type[Message]) -> st.SearchStrategy[Any]:
    struct = inspect.type_info(type_)
    assert isinstance(struct, inspect.StructType)
    required = {field.name: value(field.type) for field in struct.fields if field.required}
    optional = {field.name: value(field.type) for field in struct.fields if not field.required}
    if type_ not in (Command, Reply, Push):
        return st.fixed_dictionaries(required, optional=optional).map(lambda fields: type_(**fields))
    head, *payloads = optional
    return st.sampled_from(payloads).flatmap(
        lambda name: st.builds(type_, **{head: optional[head], name: optional[name]})
    )


def value(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.Metadata():
            return value(kind.type)
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(kind.ge, 2**64 - 1 if kind.le is None else kind.le)
        case inspect.StrType():
            return st.text(max_size=20)
        case inspect.RawType():
            return payload
        case inspect.UnionType():
            return st.none() | value(kind.types[0])
        case inspect.ListType():
            return st.lists(value(kind.item_type), max_size=2)
        case inspect.DictType():
            return st.dictionaries(value(kind.key_type), value(kind.value_type), max_size=2)
        case inspect.StructType():
            return messages[kind.cls]
    raise TypeError(kind)


document = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
payload = st.just(NOTHING) | document.map(lambda value: Raw(json.dumps(value).encode()))

messages = {type_: st.deferred(lambda type_=type_: message(type_)) for type_ in Message.__subclasses__()}

st.register_type_strategy(Raw, payload)
for type_, strategy in messages.items():
    st.register_type_strategy(type_, strategy)
