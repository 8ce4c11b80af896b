from __future__ import annotations

from pathlib import Path

from stages.formats.conducted.requests import read_requests
from stages.pictures.load import load_picture
from stages.sample.requests.config import RequestsConfig
from tests.stages.harness import run_stage


def test_the_same_requests_come_with_their_pictures_each_time(tmp_path: Path) -> None:
    config = RequestsConfig(requests=14, size=48)
    files = [run_stage(config, {}, tmp_path / name)["tool_requests"][0].path for name in ("first", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()
    requests = read_requests(files[0])
    assert [each.language for each in requests] == ["en"] * 7 + ["zh"] * 7
    assert sum(len(each.files) for each in requests) == 10
    for each in requests:
        for name, file in each.files.items():
            assert name in each.text
            assert load_picture(file.data).size == (48, 48)
