from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.formats.calls.apis import Api
from stages.formats.chat.rejects import Reject
from stages.shared.errors import DataError
from stages.tools.collect.config import Format
from stages.tools.collect.readers import read_apis_of

CARD = """---
pipeline_tag: text-classification
library_name: transformers
datasets: [town]
---
# A model
![picture](x.png)

It tells cats from dogs.

```python
tell("a cat")
```
"""
OPENAPI = {
    "info": {"title": "Town hall"},
    "paths": {
        "/cats/{name}": {
            "parameters": [{"$ref": "#/components/parameters/name"}],
            "get": {"operationId": "get_cat", "tags": ["Animals"], "summary": "Finds a cat."},
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/cat"}}}}
            },
            "delete": {"parameters": [{"$ref": "#/nothing"}]},
        },
        "/broken": {"get": 3},
    },
    "components": {
        "parameters": {"name": {"name": "name", "schema": {"type": "string"}}},
        "schemas": {"cat": {"properties": {"age": {"type": "integer"}}}},
    },
}
PYTHON = '''"""Sums of the town."""
import os
os.remove("never")

def add(a: int, b: int = 1, *, exact: bool = True) -> int:
    """Return the sum.

    More words.
    """

def _hidden():
    """Not public."""

def plain(x): return x
'''


def read(path: Path, text: str, format_: Format) -> tuple[list[Api], list[str]]:
    """Return the APIs, and the reasons of the rest."""
    path.write_text(text)
    found = [each for _, each in read_apis_of(path, format_)]
    return [each for each in found if isinstance(each, Api)], [
        each.reason for each in found if isinstance(each, Reject)
    ]


def test_entries_of_a_hub(tmp_path: Path) -> None:
    entries = [{"id": "a/b", "pipeline_tag": "image-to-text", "description": "Says."}, {"modelId": "c"}, 3, {}]
    (api,), rejected = read(tmp_path / "hub.json", json.dumps(entries), "hub")
    assert (api.domain, api.api_call) == ("Image To Text", "pipeline('image-to-text', model='a/b')")
    assert rejected == ["no_task", "other_format", "other_format"]


def test_a_model_card(tmp_path: Path) -> None:
    (api,), _ = read(tmp_path / "teller.md", CARD, "card")
    assert (api.api_name, api.description, api.example_code) == ("teller", "It tells cats from dogs.", 'tell("a cat")')
    assert read(tmp_path / "x.md", "# no front", "card")[1] == ["no_front_matter"]
    assert read(tmp_path / "y.md", "---\na: [\n---\n", "card")[1] == ["other_format"]
    assert read(tmp_path / "z.md", "---\na: 1\n---\n", "card")[1] == ["no_task"]


@pytest.mark.parametrize("name", ["hall.json", "hall.yaml"])
def test_operations_of_openapi(tmp_path: Path, name: str) -> None:
    apis, rejected = read(tmp_path / name, json.dumps(OPENAPI), "openapi")
    assert [(api.domain, api.api_call) for api in apis] == [
        ("Animals", "get_cat(name='name')"),
        ("Town hall", "post_cats_name(name='name', age='age')"),
    ]
    assert apis[1].api_arguments == {"name": "string", "age": "integer"}
    assert rejected == ["unknown_reference", "other_format"]


def test_functions_of_a_source_that_is_never_run(tmp_path: Path) -> None:
    (api,), rejected = read(tmp_path / "sums.py", PYTHON, "python")
    assert (api.domain, api.functionality) == ("Sums of the town", "Return the sum.")
    assert api.api_call == "sums.add(a='a', b='b', exact='exact')"
    assert api.api_arguments == {"a": "int", "b": "int", "exact": "bool"}
    assert rejected == ["no_text"]


@pytest.mark.parametrize(("name", "format_"), [("a.json", "openapi"), ("a.yaml", "openapi"), ("a.py", "python")])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, format_: Format) -> None:
    with pytest.raises(DataError, match=name):
        read(tmp_path / name, "{'a': (", format_)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "written"
    text = f"---\npipeline_tag: !!python/object/apply:pathlib.Path.touch ['{path}']\n---\n"
    assert read(tmp_path / "a.md", text, "card")[1] == ["other_format"]
    assert not path.exists()
