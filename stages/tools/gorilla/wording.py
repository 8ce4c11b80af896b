"""Texts around APIs: the question with its documents, the answer, and whether a request names its API."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from stages.formats.calls.apis import Api

REFERENCE = "Use this API documentation for reference:"
REFUSAL = "No API fits this request."
"""The answer to a request that no API serves."""


def document_of(api: Api) -> str:
    """Return an API as a document that is searched and shown: its fields that are not empty, as JSON."""
    return json.dumps({name: value for name, value in asdict(api).items() if value}, ensure_ascii=False)


def question_of(text: str, documents: Sequence[str]) -> str:
    """Return the question as a model gets it, with the documents that were retrieved, if any."""
    return "\n".join([text, *(f"{REFERENCE} {document}" for document in documents)])


def answer_of(api: Api | None) -> str:
    """Return the answer that calls an API, in the published sections; None: the refusal."""
    if api is None:
        return REFUSAL
    sections = {
        "domain": api.domain,
        "api_call": api.api_call,
        "api_provider": api.framework,
        "explanation": api.description or api.functionality,
        "code": _code(api.example_code) or api.api_call,
    }
    return "\n".join(f"<<<{name}>>>: {text}" for name, text in sections.items())


def _code(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def names_api(text: str, api: Api) -> bool:
    """Return whether a request has the API's name, or the last part of it or of its function, as words of its own.

    A common word may be a name: names without a digit, dot, dash, underscore, slash or
    inner capital count only in their own case.
    """
    names = {api.api_name, api.api_name.rpartition("/")[2], api.api_call.partition("(")[0].strip()}
    return any(_has(text, name) for name in names if len(name) > 1)


def _has(text: str, name: str) -> bool:
    is_special = re.search(r"[\d./_-]|\w[A-Z]", name) is not None
    pattern = rf"(?<!\w){re.escape(name)}(?!\w)"
    return re.search(pattern, text, re.IGNORECASE if is_special else 0) is not None
