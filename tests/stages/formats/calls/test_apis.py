from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.formats.calls.apis import Api, read_apis, write_apis
from stages.shared.errors import DataError

PUBLISHED = Path(__file__).parents[5] / "shared" / "data" / "gorilla" / "torchhub_api.jsonl"


def test_apis_read_back(tmp_path: Path) -> None:
    apis = [
        Api(domain="Sums", api_call="add(a=1)", api_arguments={"a": "a number"}, performance={"accuracy": 0.5}),
        Api(domain="文", api_call="f()", example_code=["f()"], description='say "ü"'),
    ]
    write_apis(tmp_path / "apis.jsonl", apis)
    assert read_apis(tmp_path / "apis.jsonl") == apis


@pytest.mark.parametrize(
    "record", [[], {}, {"domain": "a"}, {"domain": "a", "api_call": " "}, {"domain": 1, "api_call": "f()"}]
)
def test_a_line_that_is_no_api_is_named(tmp_path: Path, record: object) -> None:
    path = tmp_path / "apis.jsonl"
    path.write_text(json.dumps({"domain": "a", "api_call": "f()"}) + "\n" + json.dumps(record) + "\n")
    with pytest.raises(DataError, match=r"apis\.jsonl:2: not an API"):
        read_apis(path)


def test_the_published_file_is_read_whole() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the published file is not here")
    apis = read_apis(PUBLISHED)
    assert len(apis) == 94
    assert apis[0].api_name == "slow_r50"
