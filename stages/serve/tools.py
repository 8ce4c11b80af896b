"""Tools in a conversation: how they are declared to the model, and how a call stands in its text.

stages/formats/calls reads calls from a growing text; stages/serve/grammars.py has the model write them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from stages.formats.calls.tool_calls import CLOSE, OPEN
from stages.serve.asked import Function

TAIL = "}" + CLOSE
"""Stands behind the arguments of a call."""


def head_of(name: str) -> str:
    """Return what stands before the arguments of a call."""
    return f'{OPEN}{{"name": {json.dumps(name)}, "arguments": '


def written_call(name: str, arguments: str) -> str:
    """Return a call as the model writes it."""
    return f"{head_of(name)}{arguments}{TAIL}"


def declared(functions: Sequence[Function]) -> str:
    """Return the text that declares tools to the model."""
    lines = [
        json.dumps({"name": each.name, "description": each.description or "", "parameters": each.parameters or {}})
        for each in functions
    ]
    how = f"Call one with {written_call('NAME', '{...}')}."
    return "\n".join(["You have these tools, one a line:", *lines, how])
