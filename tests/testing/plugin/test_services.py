"""Services as fixtures: what a missing one means, whose database it is, and what failures tell."""

from __future__ import annotations

import pytest
from redis import Redis
from tests.testing.services.programs import need

from tidings.testing.plugin.services import KINDS, database_for, name_of, required
from tidings.testing.services import Browser, RedisServer, ports

# Each starts several interpreters, which a busy machine does slowly.
pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(180)]

MISSING = """
import pytest
from tidings.testing.services import SharedService

class Absent(SharedService):
    name = "sentinel"
    variables, programs, package = ("NO_SUCH_URL",), ("no-such-program",), "no-such-package"
    url = ""
    def command(self): return []
    def is_ready(self): return True

@pytest.fixture(scope="session")
def absent():
    with Absent() as service:
        yield service

def test_fixture(absent): pass
def test_again(absent): pass
def test_body():
    with Absent(): pass
async def test_coroutine():
    async with Absent(): pass
"""


def test_a_missing_service_is_a_skip_that_says_how_to_get_it(run):
    """In a fixture of anybody's and in the test itself."""
    result = run(MISSING, "-rs")
    result.assert_outcomes(skipped=4)
    result.stdout.fnmatch_lines(["SKIPPED*sentinel is not installed: apt-get install no-such-package*"])


def test_a_required_service_is_asked_for_once(run_apart, monkeypatch: pytest.MonkeyPatch):
    """One sentence, and not the exceptions that it has come through."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    result = run_apart("def test_it(redis): pass", "--require", "redis")
    result.assert_outcomes(errors=1)
    report, _, _ = result.stdout.str().partition("short test summary")
    assert report.count("redis is not installed") == 1
    assert "During handling" not in report


def test_a_coroutine_that_nobody_runs_says_what_to_configure(run_apart):
    """And nothing of the services, which have nothing to do with it."""
    result = run_apart("async def test_it(tidings_node): pass", "-o", "asyncio_mode=strict", "-W", "default")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*asynchronous tests*", "*asyncio_mode = auto"])
    result.stdout.no_fnmatch_line("*service tidings_node*")


@pytest.mark.parametrize("services", ["sentinel,redis", "all"])
def test_a_required_service_that_is_missing_is_a_failure(run, services: str):
    """It says the same, and who required it."""
    result = run(MISSING, "--require", services)
    outcomes = result.parseoutcomes()
    assert (outcomes.get("failed", 0), outcomes.get("errors", 0)) == (2, 2)
    result.stdout.fnmatch_lines(["*sentinel is not installed: *(It has to be there: --require sentinel.)"])


def test_another_service_is_not_required_by_it(run):
    """Only what is named."""
    run(MISSING, "--require", "redis").assert_outcomes(skipped=4)


def test_a_browser_is_a_fixture(run_apart):
    """Also where warnings are errors."""
    need(Browser)
    body = "class TestPage:\n def test_it(self, browser, browser_of_class): assert browser.url != browser_of_class.url"
    run_apart(body).assert_outcomes(passed=1)


def test_kafka_is_whoever_the_environment_names(run, monkeypatch: pytest.MonkeyPatch):
    """The toolkit starts none."""
    body = "def test_it(kafka_bootstrap_servers): assert kafka_bootstrap_servers == ['a:1', 'b:2']"
    result = run(body, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*there is no Kafka: name a running one in KAFKA_BOOTSTRAP_SERVERS*"])
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:1, b:2")
    run(body).assert_outcomes(passed=1)


REDIS = """
import pytest
seen = []

@pytest.mark.parametrize("turn", [1, 2])
def test_is_empty(redis, redis_server, turn):
    assert redis is redis_server
    assert redis.ask("DBSIZE") == 0
    redis.ask("SET", "a", turn)
    seen.append(redis.url)

class TestOwn:
    def test_own(self, redis_server_of_class):
        seen.append(redis_server_of_class.url)
        redis_server_of_class.kill()

def test_instances():
    assert len(set(seen)) == 2
"""


def test_redis_is_one_for_the_session_and_one_for_a_class(run):
    """Without a key at the beginning of each test."""
    run(REDIS).assert_outcomes(passed=4)


def test_a_failing_test_tells_of_its_services(run_apart):
    """Each once, with its state and what it wrote at last; a passing one tells nothing."""
    result = run_apart(
        """
def test_fails(tidings_node, redis_server_of_class):
    redis_server_of_class.kill()
    assert redis_server_of_class.ask("PING")

def test_passes(tidings_node): pass
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*service redis_server_of_class*",
            "<RedisServer at redis://*ended with -9*>",
            "It wrote at last:",
            "*eady to accept*",
        ]
    )
    result.stdout.fnmatch_lines(["*service tidings_node*", "<TidingsNode at http://*running*>", "It wrote at last:"])
    assert result.stdout.str().count("- service tidings_node -") == 1


def test_a_given_database_with_keys_is_left_alone(run, monkeypatch: pytest.MonkeyPatch):
    """REDIS_URL may be somebody's; REDIS_TEST_URL says that it is for tests. What tests wrote is gone afterwards."""
    with RedisServer() as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        run("def test_it(redis): pass").assert_outcomes(errors=1)
        mine = f"{server.url.removesuffix('/0')}/3"
        monkeypatch.setenv("REDIS_URL", mine)
        body = "def test_it(redis):\n    assert redis.ask('DBSIZE') == 0\n    redis.ask('SET', 'b', 1)"
        run(body).assert_outcomes(passed=1)
        with Redis.from_url(mine) as database:
            assert database.dbsize() == 0
            database.set("precious", 1)
        result = run(body)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["*has keys, which tests would remove. Name an empty database*"])
        with Redis.from_url(mine) as database:
            assert database.get("precious") == b"1"
        monkeypatch.setenv("REDIS_TEST_URL", mine)
        run(body).assert_outcomes(passed=1)


def test_two_runs_do_not_share_a_database(run, monkeypatch: pytest.MonkeyPatch):
    """Of a Redis that both are given: the second has the next empty one, never somebody's or everybody's."""
    with RedisServer() as server:
        address = server.url.removesuffix("/0")
        monkeypatch.setenv("REDIS_TEST_URL", f"{address}/14")
        with Redis.from_url(f"{address}/15") as database:
            database.set("precious", 1)
        assert ports.claim(name_of(f"{address}/14"))
        try:
            run(f"def test_it(redis): assert redis.url == '{address}/1'").assert_outcomes(passed=1)
            both = "def test_it(redis, redis_server_of_class): assert redis.url != redis_server_of_class.url"
            run(both).assert_outcomes(passed=1)
        finally:
            ports.disclaim(name_of(f"{address}/14"))
        run(f"def test_it(redis): assert redis.url == '{address}/14'").assert_outcomes(passed=1)
        with Redis.from_url(f"{address}/15") as database:
            assert database.get("precious") == b"1"


def test_the_server_under_test_is_the_one_that_the_environment_names(run_apart, monkeypatch: pytest.MonkeyPatch):
    """Else a node of Tidings, with the secret that the environment names."""
    monkeypatch.setenv("SERVER_URL", "ws://server:8000/")
    run_apart("def test_it(server_url): assert server_url == 'ws://server:8000'").assert_outcomes(passed=1)
    monkeypatch.delenv("SERVER_URL")
    monkeypatch.setenv("JWT_SECRET_KEY", "test-secret-key-for-jwt-tokens")
    body = "def test_it(server_url): assert server_url.startswith('ws://127.0.0.1:')\n"
    body += (
        "def test_secret(tidings_settings): assert tidings_settings['auth']['hmac_secret'].startswith('test-secret')"
    )
    run_apart(body).assert_outcomes(passed=2)


def test_a_worker_has_a_database_of_its_own(run):
    """Of one Redis that is given to all of them."""
    assert database_for("redis://h:1/0", "") == "redis://h:1/0"
    assert database_for("redis://h:1", "gw0") == "redis://h:1/0"
    assert database_for("redis://:p@h:1/14?x=y", "gw3") == "redis://:p@h:1/1?x=y"


def test_a_service_that_nobody_knows_is_a_usage_error(run):
    """A slip of the pen must not make a requirement disappear."""
    result = run("def test_it(): pass", "--require", "postgress")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--require postgress: there is no such service; there are redis,*"])
    assert required("") == frozenset()
    assert required("redis, nats,") == {"redis", "nats"}
    assert required("all") == set(KINDS)


def test_a_cluster_is_one_for_the_session_and_one_for_a_class(run_apart):
    """Of two nodes, and with a Redis of its own each, so that a class may harm its own."""
    run_apart(
        """
seen = []

def test_one(tidings_cluster):
    seen.append(tidings_cluster)

class TestOwn:
    def test_own(self, tidings_cluster, tidings_cluster_of_class):
        assert tidings_cluster is seen[0]
        assert len(tidings_cluster_of_class.nodes) == 2
        tidings_cluster_of_class.nodes[0].kill()
        tidings_cluster_of_class.broker.kill()
        assert tidings_cluster.trouble() == ""
"""
    ).assert_outcomes(passed=2)
