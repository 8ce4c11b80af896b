from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
import torch
import transformers
from PIL import Image

from stages.conductor.expert import Call
from stages.conductor.experts.folder import folder_expert, folder_process
from stages.conductor.experts.pipeline import open_model
from stages.conductor.selection import Entry
from stages.formats.chat.rejects import Reject
from stages.shared.errors import DataError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "bread", "is", "good", "bad", "alder"]


def classifier(folder: Path, task: str = "text-classification") -> Path:
    """Save a small BERT that says `good` of texts with more of the word good; as `task` has it, of words."""
    vocab = {word: place for place, word in enumerate(WORDS)}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]", model_max_length=16
    ).save_pretrained(folder)
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        max_position_embeddings=16,
        id2label={0: "bad", 1: "good"},
        label2id={"bad": 0, "good": 1},
        **size,
    )
    torch.manual_seed(1)
    kinds = {
        "text-classification": transformers.BertForSequenceClassification,
        "token-classification": transformers.BertForTokenClassification,
    }
    kinds[task](config).save_pretrained(folder)
    return folder


def test_a_model_in_a_folder_answers_from_its_own_process(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "sst2")
    (folder / "modeling_evil.py").write_text("raise SystemExit('ran')")
    with folder_process("sst2", "text-classification", folder, 60) as process:
        expert = folder_expert(Entry("sst2", "text-classification", 0, 0, ""), process)
        found = expert.run(Call(texts={"text": "the bread is good " * 100})).text
        assert found.partition(" (")[0] in ("good", "bad")
        assert 0.5 <= float(found.partition(" (")[2].rstrip(")")) <= 1
        with pytest.raises(Reject):
            expert.run(Call())
        assert expert.run(Call(texts={"text": "the bread is good " * 100})).text == found


def test_words_and_pictures_are_classified(tmp_path: Path) -> None:
    mark = open_model("token-classification", classifier(tmp_path / "ner", "token-classification"))
    assert {each.rpartition(": ")[2] for each in mark({"text": "alder bread"}).split("; ")} <= {"good", "bad"}
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.ViTConfig(image_size=16, patch_size=8, id2label={0: "goat", 1: "fox"}, **size)
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "eyes")
    transformers.ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "eyes")
    see = open_model("image-classification", tmp_path / "eyes")
    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.png")
    labels = see({"image": str(tmp_path / "a.png")}).split("; ")
    assert sorted(label.partition(" (")[0] for label in labels) == ["fox", "goat"]
    (tmp_path / "half.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"\w+"):
        see({"image": str(tmp_path / "half.png")})


def test_a_folder_without_safetensors_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(DataError, match=r"no config\.json with safetensors"):
        folder_process("x", "text-classification", tmp_path, 1)


def test_a_folder_that_asks_for_its_own_code_is_not_loaded(tmp_path: Path) -> None:
    folder = classifier(tmp_path)
    text = (folder / "config.json").read_text()
    mapped = text.replace("{", '{"auto_map": {"AutoConfig": "evil.Config"}, "model_type": "evil",', 1)
    (folder / "config.json").write_text(mapped.replace('"model_type": "bert"', '"was": "bert"'))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass")
    with pytest.raises(ValueError, match="trust_remote_code"):
        open_model("text-classification", folder)
    assert not (tmp_path / "ran").exists()
