"""deploy/kubernetes: the files fit each other, the settings, and what is promised about stopping and health."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidings.app.settings import Settings

pytestmark = pytest.mark.core

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"


@pytest.fixture(scope="module")
def objects() -> Mapping[str, Any]:
    """All objects, by kind. One in each file, which is called as its kind is."""
    found = {}
    for file in sorted(FOLDER.glob("*.yaml")):
        (one,) = yaml.load_all(file.read_text(), Loader=Unambiguous)
        assert one["kind"].lower() == file.stem
        assert one["metadata"]["name"] == "tidings"
        found[one["kind"]] = one
    return found


class Unambiguous(yaml.SafeLoader):
    """Refuses a key that comes twice, of which YAML would keep the last one."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice the same key: {keys}"
        return super().construct_mapping(node, deep)


@pytest.fixture(scope="module")
def pod(objects: Mapping[str, Any]) -> Any:
    return objects["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod: Any) -> Any:
    (container,) = pod["containers"]
    return container


@pytest.fixture(scope="module")
def settings(objects: Mapping[str, Any]) -> Settings:
    """What a node is told, secrets included: the file, and above it the variables."""
    values = tomllib.loads(objects["ConfigMap"]["data"]["tidings.toml"])
    for variable, value in objects["Secret"]["stringData"].items():
        section, key = variable.removeprefix("TIDINGS_").lower().split("__")
        values.setdefault(section, {})[key] = value
    return Settings.of(values)


def test_these_are_all(objects: Mapping[str, Any]) -> None:
    versions = {kind: one["apiVersion"] for kind, one in objects.items()}
    assert versions == {
        "ConfigMap": "v1",
        "Deployment": "apps/v1",
        "Ingress": "networking.k8s.io/v1",
        "PodDisruptionBudget": "policy/v1",
        "Secret": "v1",
        "Service": "v1",
    }


def test_the_settings_are_good(settings: Settings) -> None:
    """Two nodes need a broker between them, and somebody has to be able to connect and to publish."""
    assert settings.broker.url.startswith("redis://")
    assert settings.api.secret
    assert settings.lets_somebody_in
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 8000)


def test_everything_finds_the_pods(objects: Mapping[str, Any]) -> None:
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["minAvailable"] < objects["Deployment"]["spec"]["replicas"]


def test_ports_meet(objects: Mapping[str, Any], container: Any, settings: Settings) -> None:
    """Clients come to one, back ends and Prometheus to the other."""
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": settings.server.port, "internal": settings.server.internal_port}
    assert {port["targetPort"]: port["port"] for port in objects["Service"]["spec"]["ports"]} == ports
    annotations = objects["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(settings.server.internal_port)


def test_there_is_time_to_stop(pod: Any, settings: Settings) -> None:
    """As docs/operations.md wants it."""
    assert pod["terminationGracePeriodSeconds"] >= settings.server.drain_timeout + 15


def test_a_broker_that_is_away_restarts_nobody(container: Any) -> None:
    """/health is for who is sent here, /health/live for who is restarted."""
    asked = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness", "startup")}
    assert asked == {"liveness": "/health/live", "readiness": "/health", "startup": "/health/live"}
    assert container["readinessProbe"]["timeoutSeconds"] > 1  # Which the node itself takes to find out.


def test_a_node_may_do_next_to_nothing(pod: Any, container: Any) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


def test_the_settings_are_where_they_are_looked_for(pod: Any, container: Any) -> None:
    """The image's working directory, in which ./tidings.toml is found."""
    dockerfile = (FOLDER.parent / "Dockerfile").read_text()
    (mount,) = container["volumeMounts"]
    assert f"WORKDIR {mount['mountPath']}\n" in dockerfile
    assert f"USER {pod['securityContext']['runAsUser']}:" in dockerfile
    assert [volume["name"] for volume in pod["volumes"]] == [mount["name"]]


def test_only_clients_come_from_outside(objects: Mapping[str, Any], settings: Settings) -> None:
    """And their connections may be quiet for longer than they ever are."""
    (rule,) = objects["Ingress"]["spec"]["rules"]
    assert [path["path"] for path in rule["http"]["paths"]] == ["/connection/"]
    annotations = objects["Ingress"]["metadata"]["annotations"]
    quiet = int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"])
    assert rule["http"]["paths"][0]["backend"]["service"]["port"] == {"name": "http"}
    assert quiet > 2 * (settings.client.ping_interval + settings.client.pong_timeout)
