"""A command whose process crashes: one sentence, status 2, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from validate.guard import run_guarded

PROGRAM = """
import ctypes, os, signal, sys, time
from pathlib import Path
from validate.command import complain, start
from validate.files import replacing
from validate.guard import note_step

def app(prog_name):
    how, folder = sys.argv[1:]
    if how == "exit":
        sys.exit(1)
    note_step("doing the work")
    with replacing(Path(folder) / "artifact") as path:
        path.write_text("half")
        if how == "wait":
            print(os.getpid(), flush=True)
            time.sleep(60)
        if how in ("SIGSEGV", "SIGABRT", "SIGKILL"):
            os.kill(os.getpid(), getattr(signal, how))

start(app, "app")
"""

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def run(how, folder):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, how, str(folder)], capture_output=True, text=True, check=False, timeout=60
    )


@posix
@pytest.mark.parametrize("how", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_crash_is_one_sentence(tmp_path, how):
    done = run(how, tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "while doing the work" in done.stderr
    assert ("memory" if how == "SIGKILL" else how) in done.stderr
    assert list(tmp_path.iterdir()) == []


@posix
def test_status_and_files_are_those_of_the_command(tmp_path):
    assert run("exit", tmp_path).returncode == 1
    assert run("succeed", tmp_path).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


@posix
def test_a_killed_parent_takes_its_child_along(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, "wait", str(tmp_path)], stdout=subprocess.PIPE)
    child = int(process.stdout.readline())
    assert child != process.pid
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") if os.path.exists(f"/proc/{pid}/stat") else open(os.devnull) as file:
        return file.read().rpartition(")")[2].split()[:1] != ["Z"]


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_child_which_cleans_up(tmp_path, number):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, "wait", str(tmp_path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(number)
    assert process.wait(timeout=20) == 2


@posix
def test_where_a_fork_ends_core_ml_the_command_runs_by_itself(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))
    ran = []
    run_guarded(lambda: ran.append(os.getpid()), print)
    assert ran == [os.getpid()]
