from pathlib import Path

import pytest

from stages.text.compiled.cache import cache_folder


def test_the_projects_own_variable_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGECOACH_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/own")
    monkeypatch.delenv("STAGECOACH_CACHE")
    assert cache_folder() == Path("/xdg/stagecoach")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "stagecoach"
