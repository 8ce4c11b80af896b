"""Errors say what was wrong, what was wanted and where, in one line."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stages.shared import errors
from stages.shared.errors import EXIT_FAILED, ConfigError, DataError, nearest, system_error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("a.b", 1, "2"), 93),
        (DataError("f", "cut", "Fetch it again."), 93),
        (errors.ClusterError("no"), 1),
        (errors.NodeError("no"), 77),
        (errors.LeaseLost("no"), 93),
    ],
)
def test_each_error_has_the_exit_code_of_who_must_act(error: errors.StagecoachError, code: int) -> None:
    assert error.exit_code == code


def test_a_config_error_names_setting_value_and_what_was_wanted() -> None:
    assert str(ConfigError("layout.tp", 4, "a divisor of 6")) == "layout.tp = 4: must be a divisor of 6"


def test_a_setting_is_named_from_the_top_of_the_recipe_by_its_sections_own_name() -> None:
    error = ConfigError("layout.tp", 4, "3").within("parallel")
    assert str(error) == "parallel.layout.tp = 4: must be 3"
    assert (error.setting, error.value, error.wanted) == ("parallel.layout.tp", 4, "3")


def test_a_data_error_names_file_record_problem_and_remedy() -> None:
    error = DataError(Path("x.warc.gz"), "cut short", "Fetch it again", record=7)
    assert str(error) == "x.warc.gz:7: cut short. Fetch it again"


def test_a_near_name_is_offered_and_else_all_that_are_known() -> None:
    assert nearest("heldot", ["heldout", "steps"]) == "did you mean 'heldout'?"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "/x/y: the disk is full. Free some space"),
        (errno.EDQUOT, "/x/y: the disk quota is used up"),
        (errno.EROFS, "/x/y: the file system is read-only. Use a folder"),
        (errno.EACCES, "/x/y: this user has no permission"),
        (errno.ENOTDIR, "/x/y: a part of this path is a file"),
        (errno.ENAMETOOLONG, "/x/y: the name is too long"),
        (errno.EXDEV, "/x/y: Invalid cross-device link. Look at"),
    ],
)
def test_an_error_of_the_system_is_a_sentence_with_the_file(number: int, said: str) -> None:
    error = system_error(OSError(number, os.strerror(number), "/x/y"))
    assert str(error).startswith(said)
    assert error.exit_code == EXIT_FAILED


def test_an_error_of_the_system_without_a_file_or_with_two_is_a_sentence() -> None:
    assert str(system_error(OSError(errno.ENOSPC, "x"))).startswith("the disk is full. ")
    assert str(system_error(OSError("odd"))) == "odd. Look at the path and its file system"
    assert str(system_error(OSError(errno.EXDEV, "x", "/a", None, "/b"))).startswith("/a and /b: x. ")


def test_a_long_value_is_cut_in_the_sentence() -> None:
    assert len(str(ConfigError("a.b", "x" * 9999, "short"))) < 400
