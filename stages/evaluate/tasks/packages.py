"""Packages of an evaluation, imported without what it never uses: all that they import is a part of its memory."""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

from stages.shared.imports import instead, stand_in

_COLUMNS = "pandas.api.extensions"


def leave_out() -> None:
    """Import Megatron, requests, PyArrow and lm-eval without packages that an evaluation never uses.

    See stages.model.compiler. Call it before any module that imports them; behind one it changes nothing.
    """
    from stages.model import compiler  # noqa: PLC0415  imports torch, which the alarm does without

    compiler.leave_out()
    with instead({"chardet": None}):  # 13 MB of tables; charset_normalizer takes its place
        import requests  # noqa: F401, PLC0415  the import is the point
    _leave_out_xml()
    _leave_out_pandas()


def _leave_out_xml() -> None:
    """Import sacreBLEU, with which lm-eval scores translations, without lxml: 4 MB for data sets to download."""
    etree = stand_in("lxml.etree", __getattr__=lambda name: getattr(importlib.import_module("lxml.etree"), name))
    with instead({"lxml": stand_in("lxml", etree=etree), "lxml.etree": etree}):
        import sacrebleu  # noqa: F401, PLC0415  the import is the point


def _leave_out_pandas() -> None:
    """Import PyArrow, lm-eval and its data sets without pandas: 31 MB and 0.7 s of processor time. What asks for a data
    frame later imports it then. No column of a data frame has arrays of several dimensions.
    """
    with instead({"pandas": stand_in("pandas", __version__="0")}), warnings.catch_warnings(action="ignore"):
        import pyarrow as pa  # noqa: PLC0415

        pa.scalar(0)  # PyArrow looks for pandas, which is too old for it. It looks again for a data frame
    names = ("DataFrame", "Series", "Timedelta", "Timestamp")
    frames = stand_in("pandas", __getattr__=_real, **{name: _Late(name, (), {}) for name in names})
    columns = stand_in(_COLUMNS, **{name: type(name, (), {}) for name in ("ExtensionArray", "ExtensionDtype")})
    with instead({module.__name__: module for module in (frames, ModuleType("pandas.api"), columns)}):
        import lm_eval.loggers  # noqa: F401, PLC0415  imports datasets


class _Late(type):
    """A class of pandas, which is imported when an instance is made. Without pandas no value is an instance."""

    def __call__(cls, *given: Any, **named: Any) -> Any:
        return _real(cls.__name__)(*given, **named)

    def __instancecheck__(cls, value: object) -> bool:
        return "pandas" in sys.modules and isinstance(value, _real(cls.__name__))


def _real(name: str) -> Any:
    """Return what pandas has by this name."""
    return getattr(importlib.import_module("pandas"), name)
