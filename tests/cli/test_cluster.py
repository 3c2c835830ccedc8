"""Tests of the output of ``floorcast cluster``.

tests/real/test_moving.py tests import and export.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from floorcast.cli.app import app
from floorcast.cluster import status
from floorcast.cluster.peer_messages import Peer, PeerPosition
from floorcast.cluster.status import ClusterStatus, StreamReport
from tests.nats_servers import NatsServers

WELL = StreamReport("FLOORCAST_0", "nats-a", 3, 3, 1234, 5 * 2**20)


def run_cluster(*words: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, ["cluster", *words])


def peer(name: str, *, ready: bool = True, lag: int = 0) -> Peer:
    """Return a node's report about itself."""
    following = [
        PeerPosition("FLOORCAST_0", 10, lag, lag * 7),
        PeerPosition("FLOORCAST_1", 5, 1, 3),
    ]
    return Peer(
        id=name,
        name=name,
        ready=ready,
        log="x",
        clients="",
        following=following,
        disk_bytes=2**20,
        byte_order="little",
    )


def run_status(
    monkeypatch: pytest.MonkeyPatch,
    nodes: list[Peer],
    streams: list[StreamReport],
    *problems: str,
) -> Result:
    """Return the output of ``status`` for a cluster with these nodes and problems."""

    async def found(url: str) -> ClusterStatus:
        assert url == "nats://a,b"
        return ClusterStatus(nodes, streams, list(problems))

    monkeypatch.setattr(status, "query_status", found)
    return run_cluster("status", "--log", "nats://a,b")


def test_status_prints_nodes_and_streams_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lag in entries is the sum over all streams, and the lag in ms is the maximum."""
    result = run_status(monkeypatch, [peer("one"), peer("two", lag=2000)], [WELL])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "node  state  clients  entries behind  ms behind  disk",
        "one   ready  all      1               3          1.0 MiB",
        "two   ready  all      2,001           14,000     1.0 MiB",
        "",
        "stream       leader  replicas in step  messages  disk of each",
        "FLOORCAST_0  nats-a  3 of 3            1,234     5.0 MiB",
    ]


def test_status_exits_with_1_on_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each problem has a line, and the exit code lets scripts detect it."""
    result = run_status(monkeypatch, [], [WELL, StreamReport("FLOORCAST_1")], "no node answers")
    assert result.exit_code == 1
    assert "problem: no node answers" in result.stdout
    assert "FLOORCAST_1  none: no quorum" in result.stdout
    result = run_status(monkeypatch, [peer("one", ready=False)], [WELL])
    assert "catching up" in result.stdout


def test_empty_tables_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no heading without rows."""
    assert run_status(monkeypatch, [], []).stdout.splitlines() == [
        "no nodes; start one: floorcast serve --log …",
        "",
        "no streams; the first node creates them",
    ]


@pytest.mark.parametrize("command", ["status", "import", "export"])
def test_cluster_address_is_required(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The cluster is named by the option, the environment or the settings file."""
    monkeypatch.chdir(tmp_path)
    assert "name the cluster with --log" in str(run_cluster(command).exception)
    monkeypatch.setenv("FLOORCAST_LOG", "nats://127.0.0.1:1")
    monkeypatch.setattr("floorcast.cluster.status.COMMAND_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr("floorcast.cluster.migrate.COMMAND_TIMEOUT_SECONDS", 0.2)
    assert "name the cluster" not in str(run_cluster(command).exception)


def test_status_reports_a_cluster_without_a_log(nats_server: NatsServers) -> None:
    """The output is the same as for a cluster without nodes."""
    result = run_cluster("status", "--log", nats_server.account())
    assert "holds no floorcast log" in str(result.exception)


@pytest.mark.parametrize(
    ("command", "cluster", "folder"),
    [
        ("status", "The cluster to inspect", None),
        ("import", "The new, empty cluster", "The embedded data folder"),
        ("export", "The cluster that the node belongs to", "The stopped node's folder"),
        ("repair", "The cluster to repair", "The stopped node's folder"),
    ],
)
def test_help_says_what_the_cluster_and_the_folder_are(
    command: str, cluster: str, folder: str | None
) -> None:
    """Each command uses them differently."""
    text = " ".join(run_cluster(command, "--help").stdout.split())
    assert f"--log NATS-URL {cluster}, nats://HOST,HOST,…." in text
    if folder is not None:
        assert f"--data DIR {folder}. [default: floorcast-data]" in text
    assert "instead of a data folder" not in text


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        (("nats-a", "nats b"), "'nats b' is not a host name"),
        (("nats-a", 'x"}'), "is not a host name"),
        (("nats-a", "nats-b:4222"), "'nats-b:4222' is not a host name"),
        (("nats-a", "nats-b", "nats-a"), "'nats-a' is given twice"),
    ],
)
def test_config_is_printed_only_for_different_hosts(hosts: tuple[str, ...], message: str) -> None:
    """A host is a server's name and a part of URLs. The servers of a cluster need other names."""
    refused = run_cluster("config", *hosts)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert not refused.stdout
    assert run_cluster("config", "nats-a", "10.0.0.2", "nats_c.example.org").exit_code == 0
