"""Tests that check the files in ``deploy/`` with the tools that read them.

No image is pulled or built, and no chart is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.certificates import certificates
from tests.golden.pages import ROOT, blocks
from tests.nats_servers import PROGRAM as NATS_SERVER
from tests.real.server import AGENTS, Caller, environment, free_port, running

MISSING = "pip install -e '.[deploy]' brings it"
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "floorcast"
SECONDS = 60
BUCKET = {
    "settings": {"archive": "s3://floor/archive"},
    "envSecrets": ["bucket"],
    "serviceAccountName": "floor",
}
LOGON = (
    b'{"specversion": "1.0", "id": "1", "source": "s", "type": "agent.state",'
    b' "data": {"agent": "ANN", "eventType": "LOGON", "service": 1}}'
)


def program(name: str) -> str:
    """Return the path of a tool from the extra ``deploy`` or the machine, or skip the test."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"there is no {name} here; {MISSING}")
    return found


def ran(*words: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env=env,
    )


def test_the_containerfile_is_valid() -> None:
    """hadolint finds no problem, the copied files exist, and the user is not root."""
    linted = ran(program("hadolint"), DEPLOY / "Containerfile")
    assert (linted.returncode, linted.stdout) == (0, "")
    lines = (DEPLOY / "Containerfile").read_text("utf-8").splitlines()
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            assert all((ROOT / name).exists() for name in line.split()[1:-1])
    assert "USER 10001:10001" in lines
    stages = [line for line in lines if line.startswith("FROM")]
    assert stages == ["FROM ${BASE} AS build", "FROM ${BASE}"], "another base needs one argument"


def test_podman_builds_an_image_with_its_health_check() -> None:
    """Every command for podman uses the format ``docker``, which keeps the health check.

    Podman's default format drops the health check with only a warning.
    """
    assert "\nHEALTHCHECK " in (DEPLOY / "Containerfile").read_text("utf-8")
    for text in (ROOT / "docs" / "deploy.md", DEPLOY / "Containerfile"):
        built = re.findall(r"podman build .*", text.read_text("utf-8"))
        assert built
        assert all("--format docker" in command for command in built)


def test_the_compose_file_is_valid() -> None:
    """The Compose file matches the specification, and the files that it mounts exist.

    ``prepare-cluster`` creates the files in ``cluster/``. If it has not run, Compose must say that
    they are missing, and not create folders with their names.
    """
    compose_spec = pytest.importorskip("compose_spec", reason=MISSING)
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    compose_spec.PyCompose(text)
    yaml = pytest.importorskip("yaml", reason=MISSING)
    mounts = [
        mount
        for service in yaml.safe_load(text)["services"].values()
        for mount in service.get("volumes", ())
    ]
    for mount in mounts:
        if isinstance(mount, str):
            source = mount.split(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).exists()
        else:
            assert mount["source"].startswith("./cluster/")
            assert (mount["type"], mount["read_only"]) == ("bind", True)
            assert mount["bind"] == {"create_host_path": False}
    assert sum(isinstance(mount, dict) for mount in mounts) == 6


def test_caddy_forwards_stream_events_at_once(tmp_path: Path) -> None:
    """A real Caddy with this configuration delivers an event while the stream is open."""
    caddy = program("caddy")
    with running(tmp_path) as server, Caller(server.url) as caller:
        own = f"http://127.0.0.1:{free_port()}"
        variables = environment(
            SITE=own, UPSTREAMS=server.url.removeprefix("http://"), XDG_CONFIG_HOME=str(tmp_path),
            XDG_DATA_HOME=str(tmp_path),
        )  # fmt: skip
        shown = DEPLOY / "Caddyfile"
        with process(caddy, "run", "--adapter", "caddyfile", "--config", shown, env=variables):
            answers(f"{own}/readyz")
            session = {"LV-Session": caller.login()}
            reader = httpx.Client(base_url=own, headers=session, timeout=SECONDS, trust_env=False)
            with reader, reader.stream("GET", f"{AGENTS}/sse") as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                assert caller.take(LOGON)["accepted"] == 1
                assert any("LOGON" in line for line in answer.iter_lines())


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({}, ["Service", "Service", "StatefulSet"]),
        (
            {"siteSecret": "site", "ingress": {"enabled": True, "tlsSecret": "tls"}},
            ["Ingress", "Service", "Service", "StatefulSet"],
        ),
        (
            {"replicas": 3, "cluster": {"secret": "nats"}},
            ["PodDisruptionBudget", "Service", "Service", "StatefulSet"],
        ),
        (BUCKET, ["Service", "Service", "StatefulSet"]),
        (
            {"tlsSecret": "tls", "siteSecret": "site", "service": {"type": "LoadBalancer"}},
            ["Service", "Service", "StatefulSet"],
        ),
        (
            {"siteSecret": "123", "ingress": {"enabled": True, "host": "*.example.com"}},
            ["Ingress", "Service", "Service", "StatefulSet"],
        ),
    ],
    ids=[
        "one server",
        "with an ingress",
        "a cluster",
        "with an archive",
        "with TLS",
        "with odd names",
    ],
)
def test_the_chart_is_valid(values: dict[str, Any], kinds: list[str]) -> None:
    """Helm can lint and render the chart, and the results match the Kubernetes schemas."""
    chart = pytest.importorskip("helm_python.chart", reason=MISSING)
    schemas = pytest.importorskip("kubernetes_validate", reason=MISSING)
    yaml = pytest.importorskip("yaml", reason=MISSING)
    found = chart.lint(str(CHART))
    assert found["errors"] == []
    assert [one["error"] for one in found["messages"]] == ["icon is recommended"]
    rendered = chart.Chart.load(str(CHART)).render(values, name="fc", namespace="floor")
    made = [
        document
        for name, text in rendered.items()
        if name.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]
    assert sorted(document["kind"] for document in made) == kinds
    for document in made:
        schemas.validate(document, schemas.latest_version(), strict=True)


def test_the_chart_configures_the_archives_bucket_and_credentials() -> None:
    """The chart passes on the bucket's address, its credentials, and a service account."""
    chart = pytest.importorskip("helm_python.chart", reason=MISSING)
    yaml = pytest.importorskip("yaml", reason=MISSING)
    rendered = chart.Chart.load(str(CHART)).render(BUCKET, name="fc", namespace="floor")
    (text,) = [one for name, one in rendered.items() if name.endswith("statefulset.yaml")]
    pod = yaml.safe_load(text)["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    assert {"name": "FLOORCAST_ARCHIVE", "value": "s3://floor/archive"} in server["env"]
    assert server["envFrom"] == [{"secretRef": {"name": "bucket"}}]
    assert pod["serviceAccountName"] == "floor"


@pytest.mark.parametrize("names", [(), ("ca.pem",), ("ca.pem", "node.pem", "node.key")])
def test_a_pod_has_the_files_of_its_secrets(names: tuple[str, ...]) -> None:
    """A pod starts whether or not the cluster's secret has files, and has the files at their paths.

    A renewed certificate reaches the pod, which a file mounted with ``subPath`` does not.
    """
    values = {"replicas": 3, "cluster": {"secret": "123"}, "siteSecret": "floor-site"}
    secrets = {"123": {"FLOORCAST_LOG", *names}, "floor-site": {"site.toml"}}
    pod = stateful_set(values)["template"]["spec"]
    found = files_in(pod, secrets)
    assert {f"/etc/floorcast/{name}" for name in names} <= found
    (server,) = pod["containers"]
    assert server["args"][-1] in found
    assert not any("subPath" in mount for mount in server["volumeMounts"])


def files_in(pod: dict[str, Any], secrets: dict[str, set[str]]) -> set[str]:
    """Return the paths of the secrets' files, or fail if the pod needs a key that is missing."""
    (server,) = pod["containers"]
    found = set()
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in server["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        sources = [one["secret"] for one in volume.get("projected", {}).get("sources", ())]
        if "secret" in volume:
            sources.append({**volume["secret"], "name": volume["secret"]["secretName"]})
        for source in sources:
            keys = secrets[source["name"]]
            items = source.get("items", [{"key": key, "path": key} for key in keys])
            wanted = {one["key"]: one["path"] for one in items}
            if "subPath" in mount:
                assert mount["subPath"] in wanted, "the pod would not start"
            assert wanted.keys() <= keys or source.get("optional"), "the pod would not start"
            found |= {
                mount["mountPath"] if "subPath" in mount else f"{mount['mountPath']}/{path}"
                for key, path in wanted.items()
                if key in keys and mount.get("subPath", path) == path
            }
    return found


def stateful_set(values: dict[str, Any]) -> dict[str, Any]:
    """Return the specification of the StatefulSet that the chart makes."""
    chart = pytest.importorskip("helm_python.chart", reason=MISSING)
    yaml = pytest.importorskip("yaml", reason=MISSING)
    rendered = chart.Chart.load(str(CHART)).render(values, name="fc", namespace="floor")
    (text,) = [one for name, one in rendered.items() if name.endswith("statefulset.yaml")]
    found: dict[str, Any] = yaml.safe_load(text)["spec"]
    return found


def test_the_chart_passes_settings_on_as_the_server_reads_them() -> None:
    """A large number has no exponent, and a list has commas. Probes follow the port and TLS."""
    settings = {
        "rate_limit": 1_000_000,
        "head_timeout": 0.5,
        "trusted_proxies": ["10.0.0.0/8", "fd00::/8"],
        "port": 8443,
        "tls_cert": "/etc/floorcast/node.pem",
        "tls_key": "/etc/floorcast/node.key",
    }
    (server,) = stateful_set({"settings": settings})["template"]["spec"]["containers"]
    found = {one["name"]: one["value"] for one in server["env"]}
    assert found["FLOORCAST_RATE_LIMIT"] == "1000000"
    assert found["FLOORCAST_HEAD_TIMEOUT"] == "0.5"
    assert found["FLOORCAST_TRUSTED_PROXIES"] == "10.0.0.0/8,fd00::/8"
    assert [port["containerPort"] for port in server["ports"]] == [8443]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert server[probe]["httpGet"]["scheme"] == "HTTPS"


def test_a_pod_gets_no_variables_of_services() -> None:
    """For a release called "floorcast", Kubernetes would set FLOORCAST_PORT to tcp://10.0.0.1:80.

    The server refuses such settings, so no pod would start.
    """
    assert stateful_set({})["template"]["spec"]["enableServiceLinks"] is False


TLS_SETTINGS = {"tls_cert": "/etc/floorcast/node.pem", "tls_key": "/etc/floorcast/node.key"}


def documents(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all documents that the chart makes."""
    chart = pytest.importorskip("helm_python.chart", reason=MISSING)
    yaml = pytest.importorskip("yaml", reason=MISSING)
    rendered = chart.Chart.load(str(CHART)).render(values, name="fc", namespace="floor")
    texts = [text for name, text in rendered.items() if name.endswith(".yaml")]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


@pytest.mark.parametrize(
    ("values", "has_tls"),
    [
        ({}, False),
        ({"settings": {"tls_cert": "", "tls_key": " "}}, False),  # the server ignores these
        ({"settings": TLS_SETTINGS}, True),
        ({"tlsSecret": "tls"}, True),
    ],
    ids=["no TLS", "empty settings", "settings", "a secret"],
)
def test_everything_that_connects_to_a_pod_follows_tls(
    values: dict[str, Any], has_tls: bool
) -> None:
    """Probes, services and Prometheus use HTTPS exactly if the server does."""
    checked = {"serverName": "floor.example.com"}
    monitor = {"enabled": True, "keySecrets": ["key"], "tlsConfig": checked}
    made = documents({**values, "monitor": monitor})
    (pods,) = [one for one in made if one["kind"] == "StatefulSet"]
    (server,) = pods["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert server[probe]["httpGet"]["scheme"] == ("HTTPS" if has_tls else "HTTP")
    (scraping,) = [one for one in made if one["kind"] == "ServiceMonitor"]
    for endpoint in scraping["spec"]["endpoints"]:
        assert endpoint["scheme"] == ("https" if has_tls else "http")
        assert endpoint["tlsConfig"] == checked
    ports = [one["spec"]["ports"][0] for one in made if one["kind"] == "Service"]
    assert {port.get("appProtocol") for port in ports} == {"https" if has_tls else None}
    assert sorted(port["port"] for port in ports) == ([443, 8080] if has_tls else [80, 8080])


def test_a_pod_has_the_certificate_of_its_secret() -> None:
    """The server reads the files from the paths of its settings, in a cluster or not."""
    for values in ({}, {"replicas": 3, "cluster": {"secret": "nats"}}):
        pod = stateful_set({**values, "tlsSecret": "tls"})["template"]["spec"]
        (server,) = pod["containers"]
        found = {one["name"]: one.get("value") for one in server["env"]}
        secrets = {"tls": {"tls.crt", "tls.key"}, "nats": {"FLOORCAST_LOG"}}
        paths = {found["FLOORCAST_TLS_CERT"], found["FLOORCAST_TLS_KEY"]}
        assert paths <= files_in(pod, secrets)


def test_the_chart_refuses_two_certificates() -> None:
    """The secret and the setting cannot both be meant."""
    with pytest.raises(Exception, match=r"set either tlsSecret or settings\.tls_cert"):
        documents({"tlsSecret": "tls", "settings": TLS_SETTINGS})


@pytest.mark.parametrize("has_tls", [False, True])
def test_the_images_health_check_follows_the_port_and_tls(tmp_path: Path, has_tls: bool) -> None:
    """The check succeeds while the server is ready, and fails once it has stopped."""
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    found = re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", text, re.MULTILINE)
    assert found is not None
    _, *words = json.loads(found[1])
    options: tuple[object, ...] = ()
    if has_tls:
        certificates(tmp_path)
        options = ("--tls-cert", tmp_path / "server.pem", "--tls-key", tmp_path / "server.key")
    with running(tmp_path, *options) as server:
        variables = {"FLOORCAST_PORT": server.url.rsplit(":", 1)[1]}
        variables |= {"FLOORCAST_TLS_CERT": "server.pem"} if has_tls else {}
        checked = ran(sys.executable, *words, env=environment(**variables))
        assert (checked.returncode, checked.stderr) == (0, "")
    assert ran(sys.executable, *words, env=environment(**variables)).returncode == 1


def test_the_image_has_all_extras() -> None:
    """The image has the extras ``archive`` and ``cluster``, and no extra that does not exist."""
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)$", text, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {"archive", "cluster"} <= set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_chart_scrapes_all_nodes_but_client_figures_once() -> None:
    """Prometheus scrapes all nodes, but each client's figures from only one node.

    All nodes have the same figures, and each key is for one client.
    """
    chart = pytest.importorskip("helm_python.chart", reason=MISSING)
    yaml = pytest.importorskip("yaml", reason=MISSING)
    values = {"monitor": {"enabled": True, "keySecrets": ["acme-key", "child-key"]}}
    rendered = chart.Chart.load(str(CHART)).render(values, name="fc", namespace="floor")
    (text,) = [one for name, one in rendered.items() if name.endswith("monitor.yaml")]
    monitor = yaml.safe_load(text)
    nodes, *floors = monitor["spec"]["endpoints"]
    assert (monitor["kind"], nodes["path"]) == ("ServiceMonitor", "/metrics")
    found = [one["authorization"]["credentials"] for one in floors]
    assert found == [{"name": "acme-key", "key": "key"}, {"name": "child-key", "key": "key"}]
    assert {one["path"] for one in floors} == {"/metrics/floor"}
    assert {one["relabelings"][0]["regex"] for one in floors} == {"fc-0"}
    (services,) = [one for name, one in rendered.items() if name.endswith("/service.yaml")]
    wanted = monitor["spec"]["selector"]["matchLabels"]
    selected = [
        one["metadata"]["name"]
        for one in yaml.safe_load_all(services)
        if wanted.items() <= one["metadata"]["labels"].items()
    ]
    assert selected == ["fc-nodes"]


def test_the_chart_refuses_servers_without_a_shared_log() -> None:
    """The chart refuses several servers without a shared log, which would each lack events."""
    chart = pytest.importorskip("helm_python.chart", reason=MISSING)
    with pytest.raises(Exception, match=r"more than one replica requires cluster\.secret"):
        chart.Chart.load(str(CHART)).render({"replicas": 2}, name="fc", namespace="floor")


def test_the_unit_is_valid_and_matches_the_docs(tmp_path: Path) -> None:
    """systemd accepts the unit, and docs/running.md shows the same unit."""
    text = (DEPLOY / "floorcast.service").read_text("utf-8")
    assert text in [block.text for block in blocks("running.md") if block.kind == "ini"]
    unit = tmp_path / "floorcast.service"
    unit.write_text(text.replace("/opt/floorcast/bin/floorcast", sys.executable), "utf-8")
    checked = ran(program("systemd-analyze"), "verify", "--man=no", unit)
    assert "floorcast.service" not in checked.stderr


@pytest.mark.parametrize("named", [(), ("nats-a.example.com", "nats-b", "nats-c")])
def test_preparing_a_cluster_creates_its_certificates(
    tmp_path: Path, named: tuple[str, ...]
) -> None:
    """Three NATS servers get certificates from one authority, and nodes get their address."""
    servers = named or ("nats-1", "nats-2", "nats-3")
    program("openssl")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    prepare = tmp_path / "deploy" / "prepare-cluster"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = ran(prepare, *named, env=environment(PATH=path))
    assert done.returncode == 0, done.stderr
    made = tmp_path / "deploy" / "cluster"
    variables = (tmp_path / "deploy" / ".env").read_text("utf-8")
    assert f"@{','.join(servers)}?ca=/etc/floorcast/ca.pem" in variables
    for name in servers:
        own = made / name
        # Python 3.13 is as strict as this.
        verify = ("openssl", "verify", "-x509_strict", "-CAfile", made / "ca.pem")
        checked = ran(*verify, "-verify_hostname", name, own / "server.pem")
        assert checked.returncode == 0, checked.stderr
        config = (own / "nats.conf").read_text("utf-8")
        (own / "here.conf").write_text(config.replace("/etc/nats", str(own)), "utf-8")
        if NATS_SERVER.exists():
            tried = ran(NATS_SERVER, "-t", "-c", own / "here.conf")
            assert tried.returncode == 0, tried.stderr
    again = ran(prepare, env=environment(PATH=path))
    assert again.returncode == 1
    assert "remove it to start over" in again.stderr


@contextmanager
def process(*words: object, env: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen(
        [str(word) for word in words],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as started:
        try:
            yield
        finally:
            started.terminate()


def answers(url: str) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
    raise AssertionError(f"{url} does not answer")
