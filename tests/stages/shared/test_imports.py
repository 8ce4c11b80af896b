"""Modules in the place of others while a package is imported."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from stages.shared.imports import instead, stand_in


def test_a_block_imports_the_stand_in_and_what_follows_the_real_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    with instead({"this": stand_in("this", s="ours"), "antigravity": None}):
        assert importlib.import_module("this").s == "ours"
        with pytest.raises(ImportError):
            importlib.import_module("antigravity")
    assert "this" not in sys.modules
    assert "antigravity" not in sys.modules


def test_a_module_that_is_there_stays() -> None:
    with instead({"json": None}):
        assert importlib.import_module("json") is json
    assert sys.modules["json"] is json


def test_the_block_is_left_behind_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with pytest.raises(RuntimeError), instead({"this": None}):
        raise RuntimeError
    assert "this" not in sys.modules
