"""Hosts on one machine that are cut off in silence: what is open stays open, and nothing arrives."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tidings.testing.faults import At, FaultError, FaultSchedule, FaultsMissed, Host, Namespaces, Partition
from tidings.testing.services import Missing

pytestmark = [pytest.mark.world, pytest.mark.L3]

PORT = 6379
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def network() -> Iterator[Namespaces]:
    try:
        network = Namespaces()
        network.start()
    except Missing as reason:
        pytest.skip(str(reason))
    yield network
    network.stop()


@pytest.fixture(scope="module")
def server(network: Namespaces) -> Host:
    """A host on which Redis runs."""
    host = network.host("server")
    host.run(["redis-server", "--bind", host.address, "--port", str(PORT), "--protected-mode", "no", "--save", ""])
    return host


@pytest.fixture
def client(server: Host) -> Iterator[Redis]:
    with Redis(server.address, PORT, socket_timeout=0.5, socket_connect_timeout=0.5, retry=None) as client:
        ask_until(client)
        yield client


def ask_until(client: Redis) -> None:
    """Ask until there is an answer; each question has its own timeout."""
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        try:
            client.ping()
        except RedisError:
            time.sleep(0.01)
        else:
            return
    pytest.fail("redis does not answer")


def test_hosts_reach_each_other_and_this_process(network: Namespaces, server: Host, client: Redis):
    other = network.host("other")
    asked = subprocess.run(
        other.inside(["redis-cli", "-h", server.address, "-p", str(PORT), "ping"]), capture_output=True, timeout=10
    )
    assert asked.stdout == b"PONG\n"
    assert client.client_info()["addr"].startswith(f"{network.address}:")


def test_a_partition_is_silent(server: Host, client: Redis):
    """The connection is open all the time on both sides, and goes on when the partition is over."""
    assert client.set("key", 1)
    connection = client.connection_pool.get_connection()
    before = connection._sock.getsockname()
    with Partition(server) as fault:
        connection.send_command("GET", "key")
        with pytest.raises(RedisError, match="Timeout"):
            connection.read_response(timeout=0.1, disconnect_on_error=False)
        assert server.is_cut
        assert server.connections() >= 1
    assert fault.effect().startswith("cut off ")
    assert connection.read_response(timeout=10.0) == b"1"
    assert connection._sock.getsockname() == before
    connection.disconnect()


async def test_a_partition_in_a_schedule(server: Host, client: Redis):
    async with FaultSchedule(At(0.0, Partition(server), lasting=0.05)) as schedule:
        await schedule.finished()
    assert schedule.records[0].effect.startswith("cut off ")
    ask_until(client)


async def test_a_partition_of_a_host_that_talks_to_nobody_is_missed(network: Namespaces):
    lonely = network.host("lonely")
    with pytest.raises(FaultsMissed, match="cut off host lonely, due at 0 s: touched nothing"):
        async with FaultSchedule(At(0.0, Partition(lonely))) as schedule:
            await schedule.finished()
    assert not lonely.is_cut


def test_a_host_is_cut_off_once(network: Namespaces):
    host = network.host("twice")
    with Partition(host), pytest.raises(FaultError, match="Host twice is cut off already"):
        Partition(host).begin()
    host.mend()
    host.mend()


@pytest.mark.parametrize("name", ["twice", "", "a b", "a/b"])
def test_a_host_has_a_name_of_its_own(network: Namespaces, name: str):
    if name == "twice" and name not in network._hosts:
        network.host(name)
    with pytest.raises(FaultError, match="names no new host"):
        network.host(name)


def test_a_network_has_room_for_five():
    with Namespaces() as network:
        for number in range(5):
            network.host(f"host{number}")
        with pytest.raises(FaultError, match="at most 5 hosts"):
            network.host("one")
        assert len(left_of(network.prefix)) == 6
    assert left_of(network.prefix) == []
    network.stop()
    with pytest.raises(FaultError, match="make hosts inside of its block"):
        network.host("late")


def test_nothing_is_left_of_a_test_process_that_was_killed(network: Namespaces):
    """Neither its namespaces nor what ran in them."""
    program = (
        "import sys\n"
        "from tidings.testing.faults import Namespaces\n"
        "network = Namespaces()\n"
        "network.start()\n"
        "sleeper = network.host('a').run(['sleep', '600'])\n"
        "print(network.prefix, sleeper.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None and process.stdin is not None
    prefix, pid = process.stdout.readline().split()
    assert len(left_of(prefix)) == 2
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    deadline = time.monotonic() + 10.0
    while left_of(prefix) or is_running(pid):
        assert time.monotonic() < deadline, f"left: {left_of(prefix)} and process {pid}"


def is_running(pid: str) -> bool:
    """Whether there is such a process. Who has ended, and waits for a parent to notice, is none."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        ("os.geteuid() or os.setuid(65534)", "Network namespaces need root: run the tests that partition as root."),
        ("os.environ['PATH'] = ''", "ip is not installed, which makes network namespaces: apt-get install iproute2."),
    ],
    ids=["not root", "no ip"],
)
def test_where_there_can_be_none_it_says_why(first: str, sentence: str):
    program = f"import os\nfrom tidings.testing.faults import Namespaces\n{first}\nNamespaces().start()\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stderr.splitlines()[-1] == f"tidings.testing.services.block.Missing: {sentence}"


def left_of(prefix: str) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith(prefix)]
