import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest

from stages.sample.config import SampleConfig
from stages.sample.prose import PHRASINGS, question
from stages.sample.world import make_world
from tests.stages.harness import run_stage, run_unit

CONFIG = SampleConfig(pages=2_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample it's")
    run_stage(CONFIG, {}, path)
    return path


def files(folder: Path) -> dict[str, str]:
    root = folder / "steps"
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_two_runs_write_the_same_bytes_in_whatever_order_the_units_run(folder: Path, tmp_path: Path) -> None:
    (step,) = CONFIG.plan({}).steps
    for place in reversed(range(len(step.units))):
        run_unit(CONFIG, step, place, {}, tmp_path)
    assert files(tmp_path) == files(folder)


def test_the_bytes_are_those_of_every_other_machine(folder: Path) -> None:
    names = [name for name in sorted(files(folder)) if name.endswith(".warc.gz")]
    digest = hashlib.sha256("".join(files(folder)[name] for name in names).encode()).hexdigest()
    assert digest[:16] == "PENDING"


def test_another_seed_writes_other_pages(folder: Path, tmp_path: Path) -> None:
    run_stage(SampleConfig(pages=250, seed=2), {}, tmp_path)
    assert not set(files(tmp_path).values()) & set(files(folder).values())


def test_the_key_has_a_line_for_every_page(folder: Path) -> None:
    keys = [json.loads(line) for path in sorted(folder.rglob("key.jsonl")) for line in path.open(encoding="utf-8")]
    assert len(keys) == CONFIG.pages
    assert 0.58 < sum(key["verdict"] == "keep" for key in keys) / len(keys) < 0.65


def test_no_page_asks_a_held_out_question_and_several_good_pages_answer_it(folder: Path) -> None:
    pages = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.warc.gz")))
    text = pages.decode("utf-8", errors="replace").replace("\0", "")  # without the zeros of UTF-16: ASCII stays
    asked = [json.loads(line) for path in folder.rglob("facts.jsonl") for line in path.open(encoding="utf-8")]
    facts = [fact for fact in make_world(CONFIG.seed).facts if fact.is_held_out]
    assert [row["question"] for row in asked] == [question(fact) for fact in facts]
    assert len(asked) == 160
    for fact in facts:
        assert question(fact) not in text
        tellings = [form.format(place=fact.place, value=fact.value) for form in PHRASINGS[fact.attribute]]
        counts = [text.count(telling) for telling in tellings]
        assert sum(count > 0 for count in counts) >= 5 and sum(counts) >= 20


def test_memory_does_not_grow_with_the_pages_of_a_unit(tmp_path: Path) -> None:
    peaks = []
    for pages in (400, 4_000):
        config = SampleConfig(pages=pages, files_per_dump=1)
        tracemalloc.start()
        run_unit(config, config.plan({}).steps[0], 0, {}, tmp_path / str(pages))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000
