"""A publisher that is used before a fork, and after it on both sides."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import warnings

from tidings import Publisher

warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)

channel = sys.argv[2]


def publish(publisher: Publisher, who: str, count: int = 5) -> None:
    for number in range(count):
        publisher.publish(channel, [who, number])


def child_of(publisher: Publisher, who: str) -> None:
    """What the child does; however it ends, it ends."""
    faulthandler.dump_traceback_later(12, exit=True)
    code = 1
    try:
        publish(publisher, who)
        publisher.close()
        code = 0
    finally:
        os._exit(code)


def wait_for(pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the child ended with {status}"


def plainly() -> None:
    """`os.fork`, while the parent has calls that are not settled; the child is not to repeat them."""
    with Publisher(os.environ["PUBLISHER_URL"], timeout=15) as publisher:
        publish(publisher, "parent")
        for number in range(300):
            publisher.publish_soon(channel, ["soon", number])
        if not (pid := os.fork()):
            child_of(publisher, "child")
        publish(publisher, "parent again")
        wait_for(pid)


def under_load() -> None:
    """Forks while other threads publish: whatever lock they hold at that moment, the child does not wait for it."""
    with Publisher(os.environ["PUBLISHER_URL"], timeout=15) as publisher:
        threads = [threading.Thread(target=publish, args=(publisher, f"thread {n}", 40)) for n in range(8)]
        for thread in threads:
            thread.start()
        for number in range(4):
            if not (pid := os.fork()):
                child_of(publisher, f"child {number}")
            wait_for(pid)
        for thread in threads:
            thread.join()


def with_locks_held() -> None:
    """At the moment of the fork, another thread is just beginning or counting something."""
    with Publisher(os.environ["PUBLISHER_URL"], timeout=15) as publisher:
        publish(publisher, "parent")
        lock = publisher._front._lock
        with lock:
            if not (pid := os.fork()):
                child_of(publisher, "child")
        publish(publisher, "parent again")
        wait_for(pid)


def silently() -> None:
    """A server that forks without a word to Python, as uWSGI does: no hook is called, only the process id differs."""
    import ctypes

    with Publisher(os.environ["PUBLISHER_URL"], timeout=15) as publisher:
        publish(publisher, "parent")
        if not (pid := ctypes.PyDLL(None).fork()):
            child_of(publisher, "child")
        wait_for(pid)
        publish(publisher, "parent again")


def work(url: str, who: str) -> None:
    """The child of a process pool; it does not close its publisher."""
    publisher = globals().setdefault("shared", None) or Publisher(url, timeout=15)
    publish(publisher, who, 4)
    publisher.publish_soon(channel, [who, 4])


def processes(method: str) -> None:
    """`multiprocessing`: with "fork" the child has the parent's publisher, with "spawn" it makes its own."""
    url = os.environ["PUBLISHER_URL"]
    with Publisher(url, timeout=15) as publisher:
        if method == "fork":
            globals()["shared"] = publisher
        publish(publisher, "parent")
        process = multiprocessing.get_context(method).Process(target=work, args=(url, "child"))
        process.start()
        process.join(20)
        assert process.exitcode == 0, process.exitcode
        publish(publisher, "parent again")


if __name__ == "__main__":
    signal.alarm(28)
    match sys.argv[1]:
        case "fork" | "spawn":
            processes(sys.argv[1])
        case name:
            globals()[name]()
