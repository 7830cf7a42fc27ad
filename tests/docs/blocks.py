"""The Python blocks of a page of the documentation, to be run as the one program that they are."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

from tests.docs.pages import DOCS

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


async def run(page: str) -> dict[str, Any]:
    """Run the blocks of a page, in order and in one namespace, and return that; `await` may stand at their top.

    A block that fails does so with the line of the page in its traceback.
    """
    path = DOCS / page
    text = path.read_text()
    namespace: dict[str, Any] = {"__name__": page}
    for block in BLOCK.finditer(text):
        lines = "\n" * (text.count("\n", 0, block.start()) + 1)
        code = compile(lines + block[1], str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        outcome = eval(code, namespace)
        if inspect.iscoroutine(outcome):
            await outcome
    return namespace
