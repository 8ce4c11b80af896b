"""Packages that are imported without what an evaluation never uses, in a process of its own: others have imported all
of them already.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]

_PROBE = """
import sys
from pathlib import Path
from stages.evaluate.tasks.packages import leave_out
leave_out()
import stages.evaluate.evaluation
import stages.evaluate.run
from datasets import Dataset, load_dataset

plain = Dataset.from_dict({"number": [3, 1, 2], "text": ["c", "a", "b"]})
mapped = plain.map(lambda row: {"twice": [row["number"]] * 2}).filter(lambda row: row["number"] > 1).select([1, 0])
assert mapped[:] == {"number": [2, 3], "text": ["b", "c"], "twice": [[2, 2], [3, 3]]}, mapped[:]
unused = {"pandas", "chardet", "torch._dynamo", "lxml", "numba", "scipy", "bm25s"} & sys.modules.keys()
assert not unused, unused

import sacrebleu.dataset.wmt_xml as xml
assert xml.ET.fromstring("<a><b/></a>")[0].tag == "b"

frame = mapped.to_pandas()
import pandas
import datasets
assert type(frame) is pandas.DataFrame
assert isinstance(frame, datasets.arrow_dataset.pd.DataFrame)
assert not isinstance(3, datasets.arrow_dataset.pd.DataFrame)
assert datasets.arrow_dataset.pd.DataFrame({"a": [1]}).equals(pandas.DataFrame({"a": [1]}))
assert Dataset.from_pandas(frame)[:] == mapped[:]
framed = plain.map(lambda row: pandas.DataFrame({"more": row["number"]}), batched=True)
assert framed["more"][:] == [3, 1, 2]
mapped.to_parquet("rows.parquet")
assert load_dataset("parquet", data_files="rows.parquet", split="train", cache_dir="cache")[:] == mapped[:]
Path("rows.csv").write_text("a,b\\n1,x\\n2,y\\n")
assert load_dataset("csv", data_files="rows.csv", split="train", cache_dir="cache")[:] == {"a": [1, 2], "b": ["x", "y"]}
"""


def test_an_evaluation_does_without_packages_that_it_does_not_use(tmp_path: Path) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path / "home")}
    probe = [sys.executable, "-W", "ignore", "-c", _PROBE]
    done = subprocess.run(probe, env=environment, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
