"""A program beside the tests: it stops when it is asked to, or else by force, with all that it has started."""

from __future__ import annotations

import re
import signal
import sys
import threading
from pathlib import Path

import pytest
from tests.testing.services.programs import DEAF, FOREVER, READY, WITH_CHILD, is_alive, is_over

from tidings.testing.services.base import ask_until
from tidings.testing.services.process import LAST_LINES, Process

pytestmark = [pytest.mark.world, pytest.mark.L3]


def run(script: str, directory: Path, *, until: str = "ready") -> Process:
    """A program, when it has said a word."""
    process = Process([sys.executable, "-c", script], directory=directory, output=directory / "output.log")
    assert ask_until(lambda: until in process.log.split(), 10.0), process.log
    return process


def child_of(process: Process) -> int:
    words = process.log.split()
    return int(words[words.index("child") + 1])


def test_it_is_asked_first(tmp_path: Path):
    """A program that tidies up at SIGTERM is given the time to."""
    tidy = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit('tidied'))\n"
    process = run(tidy + READY + FOREVER, tmp_path)
    assert process.stop() == 1
    assert process.log.splitlines() == ["ready", "tidied"]


def test_a_program_that_does_not_listen_is_ended_by_force(tmp_path: Path):
    process = run(DEAF + READY + FOREVER, tmp_path)
    assert process.stop(timeout=0.1) == -signal.SIGKILL
    assert repr(process) == f"<{Path(sys.executable).name}, process {process.pid}, ended with -9 (SIGKILL)>"


@pytest.mark.parametrize("end", [Process.stop, Process.kill])
def test_what_it_has_started_ends_with_it(tmp_path: Path, end):
    """Also a child that stays behind when its parent has ended by itself."""
    process = run(WITH_CHILD + READY + FOREVER, tmp_path)
    child = child_of(process)
    assert is_alive(child)
    end(process)
    assert not is_alive(child)


def test_a_child_of_a_program_that_has_ended_by_itself_ends_at_stop(tmp_path: Path):
    process = run(WITH_CHILD + READY, tmp_path)
    assert process.wait(10.0) == 0
    child = child_of(process)
    assert is_alive(child)
    assert process.stop() == 0
    assert not is_alive(child)


def test_who_is_paused_answers_nothing_until_it_is_resumed(tmp_path: Path):
    """The whole group stands still."""
    process = run(WITH_CHILD + "signal = __import__('signal')\n" + READY + FOREVER, tmp_path)
    process.pause()
    assert ask_until(lambda: state(process.pid) == state(child_of(process)) == "T", 5.0)
    process.resume()
    assert ask_until(lambda: state(process.pid) == state(child_of(process)) == "S", 5.0)
    process.kill()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_who_is_paused_hears_that_it_has_to_stop(tmp_path: Path):
    """Stopping need not wait for its patience to end."""
    process = run(READY + FOREVER, tmp_path)
    process.pause()
    assert process.stop() == -signal.SIGTERM


def test_a_program_can_be_a_block(tmp_path: Path):
    """A failure in there tells what it wrote."""
    with pytest.raises(ValueError, match="mine") as failure, run(READY + FOREVER, tmp_path) as process:
        raise ValueError("mine")
    assert failure.value.__notes__ == [
        f"<{Path(sys.executable).name}, process {process.pid}, running> wrote at last:\nready"
    ]
    assert process.code == -signal.SIGTERM


def test_ending_it_twice_is_harmless(tmp_path: Path):
    """The number of its group may be somebody else's by then, so nothing is signalled again."""
    process = run(READY + FOREVER, tmp_path)
    assert process.kill() == process.kill() == process.stop() == -signal.SIGKILL
    process.pause()
    process.resume()


def test_waiting_has_an_end(tmp_path: Path):
    process = run(READY + FOREVER, tmp_path)
    with pytest.raises(TimeoutError, match=r"did not end within 0.05 s"):
        process.wait(0.05)
    process.kill()


def test_the_log_is_the_last_of_what_it_wrote(tmp_path: Path):
    """However much that was."""
    process = run("for n in range(100_000): print(n)\nprint('ready', flush=True)\n" + FOREVER, tmp_path)
    lines = process.log.splitlines()
    assert lines[-1] == "ready"
    assert lines[-2] == "99999"
    assert len(lines) == LAST_LINES
    process.kill()


# Lines.

HALF = (
    "import signal\n"
    "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
    "print('half', end='', flush=True)\n"
    "signal.pause()\n"
    "print(' and half', flush=True)\n"
)


def test_a_line_is_there_when_it_has_been_written_to_its_end(tmp_path: Path):
    process = run(READY + HALF + FOREVER, tmp_path, until="half")
    with pytest.raises(TimeoutError):
        process.line("half", timeout=0.05)
    process.signal(signal.SIGUSR1)
    assert process.line("^half") == "half and half"
    assert process.line(re.compile("d")) == "ready"
    assert process.lines == ["ready", "half and half"]
    process.kill()


def test_a_line_that_does_not_come_is_told_with_what_came(tmp_path: Path):
    process = run(READY + FOREVER, tmp_path)
    with pytest.raises(TimeoutError, match=r"running> has not written 'steady'. It wrote at last:\nready"):
        process.line("steady", timeout=0.05)
    process.kill()


def test_who_has_ended_writes_no_more_lines(tmp_path: Path):
    """So nobody waits for them. A last one without an end is one."""
    process = Process(
        [sys.executable, "-c", "print('bye', end='')"], directory=tmp_path, output=tmp_path / "output.log"
    )
    with pytest.raises(TimeoutError, match=r"ended with 0> has not written 'hello'. It wrote at last:\nbye"):
        process.line("hello")
    assert process.line("bye") == "bye"


def test_lines_of_an_earlier_program_are_not_its_own(tmp_path: Path):
    """Though both write to one file, as a service does that is restarted."""
    run(READY, tmp_path).wait(10.0)
    process = run("print('steady')\n" + FOREVER, tmp_path)
    with pytest.raises(TimeoutError):
        process.line("ready$", timeout=0.0)
    assert process.log.splitlines()[0] == "ready"
    process.kill()


# Terminals.


def terminal(script: str, directory: Path, *, columns: int = 40) -> Process:
    return Process(
        [sys.executable, "-c", script], directory=directory, output=directory / "output.log", columns=columns
    )


def test_a_program_can_have_a_terminal(tmp_path: Path):
    """Which it takes for one, of that width; what is written to it is kept as always."""
    process = terminal("import os, sys\nprint(os.isatty(1), os.isatty(2), os.get_terminal_size(1).columns)", tmp_path)
    assert process.line("True") == "True True 40"
    assert process.wait(10.0) == 0
    process.kill()


def test_nothing_that_is_written_to_a_terminal_is_lost(tmp_path: Path):
    """However much it is, and although the program ends right after it."""
    process = terminal("for n in range(20_000): print('line', n)", tmp_path)
    assert process.line("line 19999$") == "line 19999"
    process.kill()
    assert process.lines == [f"line {number}" for number in range(20_000)]


def test_a_terminal_ends_with_its_program(tmp_path: Path):
    """Also if that is killed, with a child that has the same terminal."""
    before = threading.active_count()
    process = terminal(WITH_CHILD + READY + FOREVER, tmp_path)
    process.line("ready")
    process.kill()
    assert threading.active_count() == before


def test_a_program_that_cannot_be_started_leaves_no_terminal(tmp_path: Path):
    before = threading.active_count()
    with pytest.raises(FileNotFoundError):
        Process(["/nowhere/program"], directory=tmp_path, output=tmp_path / "output.log", columns=80)
    assert ask_until(lambda: threading.active_count() == before, 5.0)


def test_a_program_that_is_not_there_is_told_at_once(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        Process(["/nowhere/program"], directory=tmp_path, output=tmp_path / "output.log")


def test_it_outlives_no_one(tmp_path: Path):
    """Ending is waited for, so nobody is there a moment later."""
    process = run(READY + FOREVER, tmp_path)
    process.kill()
    assert is_over(process.pid, 0.0)
