"""Writes prepared data in the layout of the Hugging Face cache: equal rows make equal bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetInfo, Features, SplitDict, SplitInfo
from datasets.arrow_writer import ArrowWriter

from stages.formats.benchmarks.index import DataSet
from stages.formats.benchmarks.layout import CHECKSUMS, HASH, VERSION, folder_of
from stages.shared.files import sha256_file, write_json

Rows = Sequence[Mapping[str, Any]]


def write_dataset(
    home: Path, data: DataSet, splits: Mapping[str, Rows], features: Features | None, made_from: Mapping[str, Any]
) -> Path:
    """Write a data set below `home`; return its folder, `<name>/<configuration>/<version>/<hash>`.

    Without `features` the types are those of the first split's rows. `made_from` says where the rows come from: it
    stands in CHECKSUMS beside the digest of each file.
    """
    name, config = folder_of(data)
    folder = home / name / config / VERSION / HASH
    folder.mkdir(parents=True)
    features = features or Dataset.from_list([dict(row) for row in next(iter(splits.values()))]).features
    file_name = name.rpartition("___")[2]
    written = SplitDict(dataset_name=file_name)
    for split, some in splits.items():
        path = folder / f"{file_name}-{split}.arrow"
        with ArrowWriter(path=str(path), features=features) as writer:
            for row in some:
                writer.write(dict(row))
            count, num_bytes = writer.finalize()
        written[split] = SplitInfo(name=split, num_bytes=num_bytes, num_examples=count, dataset_name=file_name)
    info = DatasetInfo(
        features=features,
        splits=written,
        dataset_name=file_name,
        config_name=config,
        version=VERSION,
        builder_name=name,
    )
    info.write_to_directory(str(folder))
    files = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    write_json(folder / CHECKSUMS, {"files": files, "made_from": made_from})
    return folder
