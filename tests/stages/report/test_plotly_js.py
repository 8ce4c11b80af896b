import base64
import gzip
import hashlib

import pytest

from stages.report.plotly_js import pack_plotly


def test_the_packed_script_unpacks_to_the_one_its_digest_names() -> None:
    packed = pack_plotly()
    assert packed is not None
    script = gzip.decompress(base64.b64decode(packed.base64_gzip))
    assert base64.b64encode(hashlib.sha256(script).digest()).decode() == packed.sha256
    assert len(packed.base64_gzip) < 2.2e6  # of 4.8 million bytes


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.report.plotly_js.find_spec", lambda name: None)
    assert pack_plotly() is None
