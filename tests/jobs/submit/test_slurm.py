"""Slurm's answers: real lines of squeue and scontrol, parsed; and its errors, in its own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.submit import slurm
from stages.shared.errors import ClusterError
from tests.jobs.fakes import fake

ANSWER = """\
4_0|RUNNING|None|n1|0|stagecoach:0001-a
4_1|PENDING|Resources||0|stagecoach:0001-a
4_2|COMPLETING|None|n[1-2]|3|stagecoach:0001-a
5_0|PENDING|DependencyNeverSatisfied||0|stagecoach:0002-b
7|PENDING|launch failed requeued held||1|(null)
8_0|SPECIAL_EXIT|job requeued in held state||2|with|bars|in it
"""


def test_a_queue_is_parsed_element_by_element() -> None:
    rows = slurm.parse_queue(ANSWER)
    assert [row.slurm_id for row in rows] == ["4_0", "4_1", "4_2", "5_0", "7", "8_0"]
    assert [row.is_running for row in rows] == [True, False, True, False, False, False]
    assert (rows[2].node, rows[2].restarts) == ("n[1-2]", 3)
    assert rows[3].reason == "DependencyNeverSatisfied"
    assert rows[5].comment == "with|bars|in it"


def test_an_empty_queue_has_no_rows() -> None:
    assert slurm.parse_queue("\n") == []


def test_the_queue_is_asked_for_ones_own_elements_in_a_fixed_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeue = fake(monkeypatch, tmp_path, "squeue", f"cat <<'END'\n{ANSWER}END")
    assert len(slurm.queue()) == 6
    assert squeue.calls() == [["--me", "-r", "-h", "-O", slurm.QUEUE_COLUMNS]]


def test_max_array_size_is_read_from_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, tmp_path, "scontrol", "echo 'MaxArraySize            = 11'; echo 'MaxDBDMsgs = 20'")
    assert slurm.max_array_size() == 11


def test_a_refusal_carries_slurms_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(
        monkeypatch, tmp_path, "scancel", "echo 'scancel: error: Kill job error on job id 9: Access denied' >&2; exit 1"
    )
    with pytest.raises(ClusterError, match=r"scancel 9 failed \(exit 1\).*Access denied"):
        slurm.cancel(["9"])


def test_cancelling_nothing_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scancel = fake(monkeypatch, tmp_path, "scancel", "exit 1")
    slurm.cancel([])
    assert scancel.calls() == []


@pytest.mark.parametrize(
    ("after", "behind", "text"),
    [
        (["4", "5_1"], [], "afterok:4:5_1"),
        (["4"], ["6"], "afterok:4,afterany:6"),
        ([], ["6", "7"], "afterany:6:7"),
        ([], [], ""),
    ],
)
def test_a_dependency_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: list[str], behind: list[str], text: str
) -> None:
    scontrol = fake(monkeypatch, tmp_path, "scontrol", "")
    slurm.set_dependency("9", slurm.dependency(after, behind))
    assert scontrol.calls() == [["update", "jobid=9", f"dependency={text}"]]


def test_a_row_is_named_by_its_comment_and_a_site_may_add_its_own() -> None:
    comment = slurm.comment_of("0123456789ab", "0001-a", "project 42, said 'x|y'")
    (row,) = slurm.parse_queue(f"4_12|PENDING|Priority||0|{comment}\n")
    assert (row.run, row.key, row.array, row.element) == ("0123456789ab", "0001-a", "4", 12)
    for other in ("(null)", "stagecoach:0001-a", "project stagecoach:ab:0001-a", ""):
        (row,) = slurm.parse_queue(f"7|PENDING|Priority||0|{other}\n")
        assert (row.run, row.key, row.element) == ("", "", -1)


@pytest.mark.parametrize(
    ("states", "absent"),
    [("idle mixed allocated completing idle~ planned", False), ("idle drained", True), ("down*", True), ("", True)],
)
def test_nodes_that_take_no_job_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: str, absent: bool
) -> None:
    sinfo = fake(monkeypatch, tmp_path, "sinfo", f"printf '%s\n' {states}")
    assert slurm.has_absent_nodes("gpu,big") == absent
    assert sinfo.calls() == [["-h", "-o", "%T", "-p", "gpu,big"]]


def test_a_missing_command_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"squeue is not on this machine: .*--cluster local"):
        slurm.queue()
    assert not slurm.is_installed()


def test_a_command_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "TIMEOUT_S", 0.3)
    fake(monkeypatch, tmp_path, "squeue", "exec sleep 20")
    with pytest.raises(ClusterError, match=r"squeue .* no answer in 0\.3 s"):
        slurm.queue()


def test_slurm_answers_if_its_controller_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, tmp_path, "sinfo", "exit $call")
    slurm.require_answer()
    with pytest.raises(ClusterError, match=r"Slurm is installed here and does not answer .*--cluster local"):
        slurm.require_answer()
    fake(monkeypatch, tmp_path, "sinfo", "exec sleep 20")
    monkeypatch.setattr(slurm, "PING_S", 0.3)
    with pytest.raises(ClusterError, match=r"no answer in 0\.3 s"):
        slurm.require_answer()


def test_the_jobs_of_other_users_are_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue = fake(monkeypatch, tmp_path, "squeue", "")
    slurm.queue(["alice", "bob"])
    assert "--user=alice,bob" in squeue.calls()[0]
