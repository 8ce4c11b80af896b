"""One sample crawl and its way through the web stage, shared by the tests that look at the whole."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stages.formats.documents import read_documents
from stages.sample.config import SampleConfig
from stages.web.config import WebConfig
from tests.stages.harness import Files, run_stage

DATA = Path(__file__).parents[4] / "shared" / "data" / "web"


@pytest.fixture(scope="session", autouse=True)
def block_list_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Build the block list once, and outside of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAGECOACH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def real_pages() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"no real pages here: {DATA} does not exist")
    return DATA


@dataclass(frozen=True)
class Run:
    """A finished run of the web stage on the sample."""

    folder: Path
    sample: SampleConfig
    config: WebConfig
    warcs: Files
    outputs: dict[str, Files]
    key: list[dict[str, Any]]

    def rows(self, kind: str) -> list[dict[str, Any]]:
        return [row for file in self.outputs[kind] for row in read_documents(file.path)]


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("the web's run")
    made = SampleConfig(pages=1_000)
    sample = run_stage(made, {}, folder / "sample")
    config = WebConfig(inputs="from:sample", rejects_per_reason=10_000, language={"languages": ("en", "zh")})
    outputs = run_stage(config, {"inputs": sample["warc"]}, folder / "web")
    key = [json.loads(line) for file in sample["key"] for line in file.path.open(encoding="utf-8")]
    return Run(folder / "web", made, config, sample["warc"], outputs, key)
