"""Models opened with tokenizer and first token: stock lm-eval, without a flag, answers the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from stages.evaluate.adapter import CheckpointLM
from stages.evaluate.answers import Answers
from stages.generate.opening import Opened, is_release, open_checkpoint, open_release
from stages.generate.sampling import Sampling
from stages.model.huggingface.exporting import export_checkpoint
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json
from tests.stages.model.folders import SHAPES, make_tokenizer, random_release
from tests.stages.model.huggingface.test_exporting import make_checkpoint

PAIRS = [
    ("the heron", " of Arlen"),
    ("a badger sleeps at", " 12:00?"),
    ("the heron counts ", "twelve"),
    ("", "a badger"),
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def adapter(opened: Opened, folder: Path) -> CheckpointLM:
    answers = Answers(folder / "answers.jsonl", opened.identity, lambda: False, lambda done: None)
    return CheckpointLM(opened.model, opened.codec, answers, 64, first_id=opened.first_id)


def asked(kind: str, arguments: list[tuple[Any, ...]]) -> list[Instance]:
    return [Instance(request_type=kind, doc={}, arguments=each, idx=0) for each in arguments]  # type: ignore[arg-type]


def assert_equal_to_stock(ours: CheckpointLM, folder: Path) -> None:
    theirs = HFLM(pretrained=str(folder), device="cpu", batch_size=2, dtype="float32")
    mine = ours.loglikelihood(asked("loglikelihood", PAIRS))
    reference = theirs.loglikelihood(asked("loglikelihood", PAIRS), disable_tqdm=True)
    assert [pair[0] for pair in mine] == pytest.approx([pair[0] for pair in reference], abs=1e-4)
    assert [pair[1] for pair in mine] == [pair[1] for pair in reference]
    options = {"until": ["zz"], "max_gen_toks": 6, "do_sample": False}
    texts = [("the heron", options), ("a badger sleeps", options)]
    expected = theirs.generate_until(asked("generate_until", texts), disable_tqdm=True)
    found = ours.generate([(context, Sampling(max_tokens=6, until=("zz",))) for context, _ in texts])
    # Random tokens are bytes that make no characters: the decoders of both libraries disagree on those.
    assert [theirs.tok_decode(list(each.ids)) for each in found] == expected


@pytest.mark.parametrize("kind", SHAPES)
def test_a_checkpoint_scores_as_stock_scores_its_release(kind: str, tmp_path: Path, tokenizer: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", tokenizer, SHAPES[kind])
    export_checkpoint(checkpoint, tmp_path / "release", tokenizer)
    opened = open_checkpoint(checkpoint, tokenizer)
    assert opened.first_id == opened.codec.eos_id == 2
    assert_equal_to_stock(adapter(opened, tmp_path), tmp_path / "release")
    release = open_release(tmp_path / "release")
    assert (release.first_id, release.codec.eos_id) == (2, 2)
    assert is_release(tmp_path / "release")
    assert not is_release(checkpoint)
    again = adapter(release, tmp_path).loglikelihood(asked("loglikelihood", PAIRS))
    before = adapter(opened, tmp_path).loglikelihood(asked("loglikelihood", PAIRS))
    assert [pair[0] for pair in again] == pytest.approx([pair[0] for pair in before], abs=1e-5)


def llama_folder(folder: Path, tokenizer: Path, *, post_processor: bool = True) -> Path:
    """Return a folder with LLaMA's first token, <s>."""
    random_release(folder, {})
    content = json.loads(tokenizer.with_name("tokenizer.json").read_text())
    if post_processor:
        content["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        }
    write_json(folder / "tokenizer.json", content)
    names = {
        "bos_token": {"__type": "AddedToken", "content": "<s>"},
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "</s>",
    }
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **names})
    return folder


def test_a_llama_folder_begins_with_its_own_first_token_as_in_stock(tmp_path: Path, tokenizer: Path) -> None:
    folder = llama_folder(tmp_path / "llama", tokenizer)
    opened = open_release(folder)
    assert (opened.first_id, opened.codec.eos_id) == (1, 2)
    assert_equal_to_stock(adapter(opened, tmp_path), folder)


def test_a_tokenizer_that_puts_nothing_before_a_text_gives_its_bos(tmp_path: Path, tokenizer: Path) -> None:
    assert open_release(llama_folder(tmp_path / "llama", tokenizer, post_processor=False)).first_id == 1


@pytest.mark.parametrize(("settings", "first"), [({}, 1), ({"add_bos_token": True}, 1), ({"add_bos_token": False}, 2)])
def test_a_sentencepiece_folder_says_whether_it_begins_with_bos(
    settings: dict[str, Any], first: int, tmp_path: Path, tokenizer: Path
) -> None:
    random_release(tmp_path / "llama", {})
    (tmp_path / "llama" / "tokenizer.model").write_bytes(tokenizer.read_bytes())
    write_json(tmp_path / "llama" / "tokenizer_config.json", settings)
    assert open_release(tmp_path / "llama").first_id == first


def test_the_identity_of_a_folder_changes_with_its_tokenizer(tmp_path: Path, tokenizer: Path) -> None:
    folder = llama_folder(tmp_path / "llama", tokenizer)
    before = open_release(folder).identity
    assert open_release(folder).identity == before
    write_json(folder / "tokenizer_config.json", read_json(folder / "tokenizer_config.json") | {"bos_token": "</s>"})
    assert open_release(folder).identity != before


def test_what_cannot_be_opened_is_named(tmp_path: Path, tokenizer: Path) -> None:
    random_release(tmp_path / "llama", {})
    with pytest.raises(DataError, match=r"neither tokenizer\.json nor tokenizer\.model"):
        open_release(tmp_path / "llama")
    (tmp_path / "llama" / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer\.json: no tokenizer"):
        open_release(tmp_path / "llama")
    checkpoint = make_checkpoint(tmp_path / "checkpoint", tokenizer, {})
    other = make_tokenizer(tmp_path / "other", 288)
    with pytest.raises(DataError, match="another tokenizer"):
        open_checkpoint(checkpoint, other)
