from pathlib import Path

import pytest
from datasets.naming import camelcase_to_snakecase

from stages.formats.benchmarks.index import DataSet, read_index
from stages.formats.benchmarks.layout import find_dataset, folder_of, splits_of
from stages.shared.errors import DataError


def test_folders_are_named_as_datasets_names_them() -> None:
    assert folder_of(DataSet("allenai/ai2_arc", "ARC-Easy")) == ("allenai___ai2_arc", "ARC-Easy")
    assert folder_of(DataSet("Rowan/hellaswag", "")) == ("Rowan___hellaswag", "default")
    for data in {data for _, data, _ in read_index().tasks.values() if data.path}:
        owner, _, name = data.path.rpartition("/")
        assert folder_of(data)[0] == "___".join(filter(None, (owner, camelcase_to_snakecase(name))))


def test_a_data_set_is_found_by_its_folders_and_two_of_it_are_refused() -> None:
    arc = [Path("/hf/datasets/allenai___ai2_arc", config, "0.0.0/x") for config in ("ARC-Easy", "ARC-Challenge")]
    assert find_dataset(DataSet("allenai/ai2_arc", "ARC-Easy"), arc) == arc[0]
    assert find_dataset(DataSet("allenai/ai2_arc", "ARC"), arc) is None
    assert find_dataset(DataSet("baber/piqa", ""), arc) is None
    plain = [Path("/hf/datasets/baber___piqa/plain_text/1.1.0/x")]
    assert find_dataset(DataSet("baber/piqa", ""), plain) == plain[0]
    with pytest.raises(DataError, match="a second folder of allenai/ai2_arc"):
        find_dataset(DataSet("allenai/ai2_arc", "ARC-Easy"), [arc[0], arc[0].with_name("y")])


@pytest.mark.parametrize("text", [None, "", "[]", '{"splits": {"test": {}}}', '{"splits": null}'])
def test_a_folder_that_holds_no_prepared_data_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "dataset_info.json").write_text(text)
    with pytest.raises(DataError, match="no prepared data"):
        splits_of(tmp_path)
