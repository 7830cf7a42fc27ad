"""`tidings doctor` beside real servers, with which something is wrong or nothing is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.world.certificates import self_signed
from tests.world.command import PATIENCE, command, run, written

from tidings.testing import NatsServer, RedisCluster, RedisSentinel, RedisServer
from tidings.testing.services import ports
from tidings.testing.services.node import environment
from tidings.testing.services.process import Process

pytestmark = [pytest.mark.world, pytest.mark.L3]

FINDING = re.compile(r"(ok|warning|problem) +(\S.*?): ([\w ]+): (.+)")
ELSEWHERE = ("settings", "this machine")
"""What is found there is no matter of the broker; see `test_doctor_of_installation.py`."""
NOT_TRIED = "was not tried: mend what is wrong with the broker first."
"""What is said of the round trip where the broker is a problem already."""
FULL_RIGHTS = ("+@all", "~tidings:*", "&tidings:*")


def examined(url: str, *arguments: str | Path) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code, and of everything that is not ok the level and the text by subject."""
    ran = run("doctor", "--broker", url, *arguments)
    return ran.returncode, wrong(ran)


def wrong(ran: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    assert ran.stderr == ""
    *lines, empty, summary = ran.stdout.splitlines()
    assert empty == ""
    found = [match.groups() for line in lines if (match := FINDING.fullmatch(line))]
    assert len(found) == len(lines), ran.stdout
    problems = sum(level == "problem" for level, *_ in found)
    assert summary.startswith(f"{problems or 'no'} problem")
    found = [one for one in found if one[3] != NOT_TRIED]
    return {subject: (level, text) for level, where, subject, text in found if level != "ok" and where not in ELSEWHERE}


def user(redis: RedisServer, name: str, *rules: str) -> str:
    """The address of a server for a user with these permissions."""
    redis.ask("ACL SETUSER", name, "reset", "on", ">secret", *rules)
    return f"redis://{name}:secret@127.0.0.1:{redis.port}"


def test_a_good_one() -> None:
    with RedisServer(persistent=True) as redis:
        assert examined(redis.url) == (0, {})
        assert redis.ask("KEYS", "*") == []


def test_only_warnings(redis: RedisServer) -> None:
    """One that keeps nothing on disk is no problem, for those who know it."""
    code, found = examined(redis.url)
    assert (code, found.keys()) == (0, {"persistence"})
    assert redis.ask("KEYS", "*") == []


def test_eviction() -> None:
    with RedisServer(maxmemory="100mb", maxmemory_policy="allkeys-lru") as redis:
        code, found = examined(redis.url)
    assert code == 1
    assert found["eviction"][0] == "problem"
    assert "noeviction" in found["eviction"][1]


@pytest.mark.parametrize(
    ("rules", "advice"),
    [
        ((*FULL_RIGHTS, "-xadd"), "allow +xadd."),
        ((*FULL_RIGHTS, "-zrangebyscore"), "allow +zrangebyscore."),
        ((*FULL_RIGHTS, "-script", "-evalsha"), "allow +script|load +evalsha."),
        ((*FULL_RIGHTS, "-publish"), "allow +publish."),
        (("+@all", "~other:*", "&tidings:*"), "allow ~tidings:*."),
        (("+@all", "~tidings:*", "resetchannels", "&other:*"), "allow &tidings:*."),
    ],
)
def test_permissions(redis: RedisServer, rules: tuple[str, ...], advice: str) -> None:
    """What the user may not do is named, and nothing is left of the attempts."""
    code, found = examined(user(redis, "ada", *rules))
    assert code == 1
    assert found.keys() - {"persistence", "password"} == {"permissions"}
    assert advice in found["permissions"][1]
    assert redis.ask("KEYS", "*") == []


def test_a_user_who_does_not_see_the_configuration(redis: RedisServer) -> None:
    code, found = examined(user(redis, "ada", *FULL_RIGHTS, "-config"))
    assert (code, found.keys()) == (0, {"settings", "password"})


def test_a_prefix_of_ones_own(redis: RedisServer, tmp_path: Path) -> None:
    """The broker and its prefix come from the settings, as for the other commands."""
    url = user(redis, "ada", "+@all", "~shop:*", "&shop:*")
    config = written({"broker": {"url": url, "prefix": "shop"}}, tmp_path)
    ran = run("doctor", "--config", config)
    assert (ran.returncode, wrong(ran).keys()) == (0, {"persistence", "password"})
    assert "secret@" not in ran.stdout


def test_a_wrong_password(redis: RedisServer) -> None:
    user(redis, "ada", *FULL_RIGHTS)
    code, found = examined(f"redis://ada:guessed@127.0.0.1:{redis.port}")
    assert (code, found.keys()) == (1, {"reachable"})
    assert "password" in found["reachable"][1]


def test_a_password_that_is_not_needed(redis: RedisServer) -> None:
    """Redis takes any password for a user that has none, so that it protects nothing."""
    code, found = examined(f"redis://:anything@127.0.0.1:{redis.port}")
    assert (code, found.keys()) == (0, {"persistence", "password"})
    assert "requirepass" in found["password"][1]


def test_nobody_there() -> None:
    code, found = examined("redis://127.0.0.1:1")
    assert (code, found.keys()) == (1, {"reachable"})
    assert "Is it running" in found["reachable"][1]


def test_encryption(tmp_path: Path) -> None:
    """With the authority named all is well; without it, and without TLS on a port for TLS, it is said what to do."""
    certificate = self_signed(tmp_path)
    port = ports.reserve()
    tls = {"tls_port": str(port), "tls_cert_file": str(certificate), "tls_key_file": str(certificate)}
    try:
        with RedisServer(persistent=True, tls_auth_clients="no", **tls):
            url = f"rediss://127.0.0.1:{port}"
            assert examined(f"{url}?ssl_ca_certs={certificate}") == (0, {})
            code, found = examined(url)
            assert (code, "ssl_ca_certs" in found["reachable"][1]) == (1, True)
            code, found = examined(f"{url}?ssl_cert_reqs=none")
            assert (code, found["TLS"][0]) == (0, "warning")
            code, found = examined(f"redis://127.0.0.1:{port}")
            assert (code, "TLS" in found["reachable"][1] or "rediss://" in found["reachable"][1]) == (1, True)
    finally:
        ports.release(port)


def test_memory_that_is_full(redis: RedisServer) -> None:
    redis.ask("CONFIG SET", "maxmemory", "1")
    try:
        code, found = examined(redis.url)
    finally:
        redis.ask("CONFIG SET", "maxmemory", "0")
    assert code == 1
    assert found["refusals"][0] == "problem"
    assert "maxmemory" in found["refusals"][1]


def test_sentinels(redis_sentinel: RedisSentinel) -> None:
    """The master, its replica and each sentinel are looked at."""
    ran = run("doctor", "--broker", redis_sentinel.url)
    assert (ran.returncode, wrong(ran).keys()) == (0, {"persistence", "failover"})
    for port in [server.port for server in (*redis_sentinel.servers, *redis_sentinel.sentinels)]:
        assert f"127.0.0.1:{port}: " in ran.stdout


def test_a_service_that_the_sentinels_do_not_know(redis_sentinel: RedisSentinel) -> None:
    code, found = examined(redis_sentinel.url.replace(redis_sentinel.service, "another"))
    assert (code, found.keys()) == (1, {"service"})


def test_a_replica_by_itself(redis_sentinel: RedisSentinel) -> None:
    code, found = examined(redis_sentinel.replica.url)
    assert code == 1
    assert f"127.0.0.1:{redis_sentinel.master.port}" in found["role"][1]


def test_cluster(redis_cluster: RedisCluster) -> None:
    """Every primary is looked at, also those that the address does not name."""
    ran = run("doctor", "--broker", f"redis+cluster://127.0.0.1:{redis_cluster.nodes[0].port}")
    assert (ran.returncode, wrong(ran).keys()) == (0, {"persistence", "replicas"})
    for node in redis_cluster.nodes:
        assert f"127.0.0.1:{node.port}: permissions: every" in ran.stdout
        assert node.ask("KEYS", "*") == []


def test_cluster_with_a_slot_that_nobody_has() -> None:
    with RedisCluster() as cluster:
        cluster.nodes[0].ask("CLUSTER DELSLOTS", 100)
        code, found = examined(cluster.url)
    assert code == 1
    assert "nobody has 100." in found["slots"][1]


def test_cluster_with_a_node_that_is_gone() -> None:
    with RedisCluster() as cluster:
        gone = cluster.nodes[2]
        gone.kill()
        code, found = examined(cluster.url)
        assert (code, found["reachable"][0]) == (1, "problem")


def test_the_wrong_scheme(redis: RedisServer, redis_cluster: RedisCluster) -> None:
    """Either way it is said which one is right."""
    code, found = examined(f"redis+cluster://127.0.0.1:{redis.port}")
    assert (code, "use redis://" in found["reachable"][1]) == (1, True)
    code, found = examined(redis_cluster.nodes[0].url)
    assert (code, "redis+cluster://" in found["role"][1]) == (1, True)


# The command.


def test_memory_has_no_server() -> None:
    """The default of the settings: all is well."""
    assert wrong(run("doctor")) == {}


def test_nats(nats_server: NatsServer) -> None:
    """Of a broker with no examination of its own it is said whether it can be reached, and what it promises."""
    code, found = examined(nats_server.url)
    assert (code, found) == (0, {})
    code, found = examined("nats://127.0.0.1:1")
    assert (code, found.keys()) == (1, {"reachable"})


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["--broker", "amqp://127.0.0.1"], 1, "amqp://"),
        (["--broker", "redis://host:port"], 1, "port"),
        (["--broker", "rediss://127.0.0.1?ssl_ca_certs=nowhere.pem"], 1, "certificates"),
        (["--config", "nowhere.toml"], 1, "nowhere.toml"),
        (["--brocker", "redis://127.0.0.1"], 2, "--brocker"),
    ],
)
def test_what_it_is_not_asked_for(arguments: list[str], code: int, named: str) -> None:
    """One sentence, with 1 for what cannot be, and 2 for what is not an option."""
    refused = run("doctor", *arguments)
    assert (refused.returncode, refused.stdout) == (code, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith("tidings: ")
    assert named in line


def test_on_a_terminal(redis: RedisServer, tmp_path: Path) -> None:
    """Folded to its width, so that the eye finds where each finding begins."""
    doctor = command("doctor", "--broker", redis.url)
    with Process(
        doctor, directory=tmp_path, output=tmp_path / "output.log", environment=environment(), columns=80
    ) as ran:
        assert ran.wait(PATIENCE) == 0
        lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in ran.lines]
    assert max(map(len, lines)) <= 80
    beginnings = [line for line in lines if line and not line.startswith(" " * 9)]
    assert all(FINDING.match(line) for line in beginnings[:-1])
