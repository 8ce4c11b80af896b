from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from stages.conductor.experts.process import ExpertProcess
from stages.formats.chat.rejects import Reject

CHILD = """
import json, os, sys, time
print(json.dumps({"ready": "x"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request.get("sleep"):
        time.sleep(request["sleep"])
    if request.get("dies"):
        os._exit(3)
    if request.get("fails"):
        print(json.dumps({"error": "no such label"}), flush=True)
    else:
        print(json.dumps({"text": str(os.getpid()), "got": request}), flush=True)
"""


def process(script: str = CHILD, timeout_s: float = 20.0) -> ExpertProcess:
    return ExpertProcess("sst2", [sys.executable, "-c", script], timeout_s)


def reject(child: ExpertProcess, **request: object) -> Reject:
    with pytest.raises(Reject) as caught:
        child.call(request)
    return caught.value


def test_calls_go_to_one_process_and_texts_arrive_whole() -> None:
    with process() as child:
        first, second = child.call({"text": "a\nb"}), child.call({"text": "冬\u2028"})
        assert (first["got"], second["got"]) == ({"text": "a\nb"}, {"text": "冬\u2028"})
        assert first["text"] == second["text"] == str(child.pid)
    assert child.pid is None


def test_a_process_that_is_killed_is_one_failed_call_and_the_next_has_another_process() -> None:
    with process() as child:
        before = int(child.call({})["text"])
        killer = threading.Timer(0.05, os.kill, (before, signal.SIGKILL))
        killer.start()
        found = reject(child, sleep=20)
        assert (found.reason, found.detail) == ("killed", "the process of sst2 ended by signal 9")
        assert int(child.call({})["text"]) != before
        assert reject(child, dies=True).detail == "the process of sst2 ended with status 3"


def test_a_process_that_takes_too_long_is_killed() -> None:
    with process(timeout_s=0.2) as child:
        before = int(child.call({})["text"])
        assert reject(child, sleep=60).reason == "timed_out"
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        assert child.call({})["text"] != str(before)


def test_an_error_of_the_child_is_in_its_own_words() -> None:
    with process() as child:
        assert reject(child, fails=True).detail == "no such label"
        assert child.call({})["got"] == {}
    with process('print(\'{"error": "no model"}\')') as child:
        assert (reject(child).reason, child.pid) == ("failed", None)
    with process("import sys; sys.exit(4)") as child:
        assert reject(child).detail == "the process of sst2 ended with status 4"


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import os, sys, threading\n"
        "from stages.conductor.experts.process import ExpertProcess\n"
        f"child = ExpertProcess('x', [sys.executable, '-c', {CHILD!r}], 20)\n"
        "print(child.call({})['text'], flush=True)\n"
        "os._exit(0)\n"
    )
    read, write = os.pipe()
    parent = os.posix_spawn(
        sys.executable, [sys.executable, "-c", script], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)]
    )
    os.close(write)
    with os.fdopen(read) as said:
        number = int(said.readline())
    os.waitpid(parent, 0)
    for _ in range(400):
        if not Path(f"/proc/{number}").exists() or "Z" in Path(f"/proc/{number}/stat").read_text().split()[2]:
            return
        threading.Event().wait(0.05)
    pytest.fail(f"process {number} goes on")
