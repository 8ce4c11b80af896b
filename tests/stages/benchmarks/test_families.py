from pathlib import Path

from stages.benchmarks.families import family_of, is_read, splits_of_files
from stages.formats.benchmarks.index import DataSet, read_index


def test_every_family_makes_a_data_set_of_lm_eval() -> None:
    names = {"piqa": "piqa", "social_iqa": "siqa", "arc_easy": "arc", "mmlu": "mmlu", "gsm8k": "gsm8k",
             "mgsm_direct_en": "mgsm", "bbh_cot_fewshot_snarks": "bbh", "humaneval": "humaneval"}  # fmt: skip
    for task, family in names.items():
        assert {family_of(leaf.data) for leaf in read_index().leaves(task)} == {family}
    assert family_of(DataSet("cais/other", "")) is None


def test_a_data_set_reads_the_files_of_its_configuration() -> None:
    def read(family: str, config: str, *names: str) -> list[str]:
        return [name for name in names if is_read(Path("/x", name), family, DataSet("", config))]

    arc = ("ARC-Easy.test.json", "ARC-Challenge.test.json", "ARC-Easy-Test.jsonl")
    assert read("arc", "ARC-Easy", *arc) == ["ARC-Easy.test.json", "ARC-Easy-Test.jsonl"]
    assert read("mgsm", "en", "mgsm_en.tsv", "mgsm_zh.tsv") == ["mgsm_en.tsv"]
    assert read("bbh", "snarks", "snarks.json", "navigate.json") == ["snarks.json"]
    assert read("mmlu", "anatomy", "mmlu_stem_test.jsonl") == ["mmlu_stem_test.jsonl"]


def test_a_files_name_says_its_split() -> None:
    def splits(evaluated: str, pool: str, *names: str) -> dict[str, str]:
        return {path.name: split for path, split in splits_of_files(map(Path, names), [evaluated], [pool]).items()}

    assert splits("validation", "train", "valid.jsonl", "valid-labels.lst", "train.jsonl") == {
        "valid.jsonl": "validation", "valid-labels.lst": "validation", "train.jsonl": "train"}  # fmt: skip
    assert splits("test", "train", "mgsm_en.tsv") == {"mgsm_en.tsv": "test"}
    assert splits("validation", "train", "social_i_qa.test.json") == {"social_i_qa.test.json": "validation"}
    assert splits("test", "dev", "x_test.jsonl", "x_dev.jsonl", "x_valid.jsonl") == {
        "x_test.jsonl": "test", "x_dev.jsonl": "dev"}  # fmt: skip
