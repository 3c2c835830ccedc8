"""Tests of a real server's operation: stopping, refused starts, metrics, and the log."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from floorcast.feeds.feed import POLL_SECONDS
from tests.real.server import (
    AGENTS,
    EVENTS,
    Caller,
    Server,
    command,
    environment,
    free_port,
    running,
)
from tests.real.sites import KEYS, PASSWORD, SITE, event, ndjson

LONGEST = 100.0  # seconds after which a command that must end is killed, so that no test hangs
CALL = {"transactionId": 1, "sessionId": "s", "service": "Sales"}


class CommandOutput(NamedTuple):
    """The output of a finished command."""

    code: int
    out: str
    err: str


def run(folder: Path, *arguments: object, **more: str) -> CommandOutput:
    """Run the program until it ends. ``more`` is added to its environment."""
    done = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return CommandOutput(done.returncode, done.stdout, done.stderr)


class PartialRequest:
    """A request with events, of which the server has received only the beginning."""

    def __init__(self, port: int, body: bytes) -> None:
        self._body = body
        self._socket = socket.create_connection(("127.0.0.1", port), LONGEST)
        head = (
            "POST /ingest/v1/events HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {KEYS['ACME']}\r\nContent-Type: application/x-ndjson\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        self._socket.sendall(head.encode())
        assert self._socket.recv(1000).startswith(b"HTTP/1.1 100 ")
        self._socket.sendall(body[:10])

    def finish(self) -> str:
        """Send the rest of the request. Returns the response."""
        with self._socket:
            self._socket.sendall(self._body[10:])
            answer = b""
            while piece := self._socket.recv(10_000):
                answer += piece
            return answer.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_shutdown_finishes_requests_and_loses_no_event(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A server that is told to stop answers waiting polls at once and finishes partial requests.

    Its exit code is 0.
    """
    with (
        running(tmp_path) as server,
        ThreadPoolExecutor() as beside,
        Caller(server.url) as caller,
    ):
        session = caller.login()
        begin = caller.feed(EVENTS).token
        caller.take(ndjson([event("call.start", 1, direction="INBOUND", **CALL)]))
        page = caller.feed(EVENTS, begin)

        def wait() -> tuple[float, str]:
            with Caller(server.url) as reader:
                reader.http.headers["LV-Session"] = session
                answer = reader.http.post(EVENTS, json={"token": page.token})
                assert answer.json()["events"] == []
                return answer.elapsed.total_seconds(), answer.json()["token"]

        waiting = beside.submit(wait)
        while not caller.metric_value("floorcast_feed_waiting_readers"):
            assert not waiting.done()
        half = PartialRequest(server.port, ndjson([event("call.end", 2, lvResult="DONE", **CALL)]))
        server.send_signal(number)
        seconds, token = waiting.result(LONGEST)
        assert seconds < POLL_SECONDS
        answer = half.finish()
        assert answer.startswith("HTTP/1.1 200 ")
        assert '"accepted":1' in answer
        assert server.wait() == 0
        server.start()
        assert caller.http.get(f"/session/validate/{session}").status_code == 204
        again = caller.feed(EVENTS, begin).events
        assert [one["callEventType"] for one in again] == ["CALL_START", "CALL_TERMINATION"]
        assert again[:1] == page.events
        assert caller.feed(EVENTS, token).events == again[1:]


def test_a_server_stops_while_it_hashes_passwords(tmp_path: Path) -> None:
    """It exits with 0 before the last password is hashed, and none of the site is stored."""
    users = "".join(
        f'    {{id = {n}, name = "user{n}", password = "secret of user {n}", role = "Manager"}},\n'
        for n in range(1, 601)
    )
    site = tmp_path / "site.toml"
    site.write_text(f'[[client]]\nid = 1\nname = "ACME"\nuser = [\n{users}]\n')
    where = ("--data", tmp_path / "data", "--site", site, "--port", free_port())
    with subprocess.Popen(
        command("serve", *where, "--log-format", "json"),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr)
        assert any('"passwords_hashed"' in line for line in lines)
        process.terminate()
        hashed = [json.loads(line)["done"] for line in lines if '"passwords_hashed"' in line]
        assert process.wait(LONGEST) == 0
    assert 600 not in hashed
    shown = run(tmp_path, "site", "show", "--data", tmp_path / "data")
    assert "ACME" not in shown.out


def test_health_readiness_and_metrics_are_reported(tmp_path: Path) -> None:
    """``/healthz`` and ``/readyz`` respond, and ``/metrics`` counts requests and events."""
    with running(tmp_path) as server, Caller(server.url) as caller:
        for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
            answer = caller.http.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": status})
        caller.login()
        token = caller.feed(EVENTS).token
        asked = 'floorcast_requests_total{route="/ingest/v1/events",status="200"}'
        metrics = {
            asked: 2.0,
            'floorcast_intake_events_total{outcome="accepted"}': 3.0,
            'floorcast_intake_events_total{outcome="duplicate"}': 3.0,
            'floorcast_intake_events_total{outcome="rejected"}': 2.0,
            "floorcast_intake_seconds_count": 2.0,
            "floorcast_log_commit_events_sum": 3.0,
            "floorcast_log_append_seconds_count": 1.0,
            "floorcast_fold_seconds_count": 1.0,
            "floorcast_feed_published_events_total": 2.0,
            "floorcast_feed_given_events_total": 2.0,
        }
        before = caller.metric_values()
        body = ndjson(
            [
                event("call.start", 1, direction="INBOUND", **CALL),
                event("call.queue", 2, transactionId=1, sessionId="s"),
                event("call.end", 3, transactionId=1, sessionId="s"),
                event("call.lost", 4),
            ]
        )
        for _ in range(2):
            caller.take(body)
        assert len(caller.feed(EVENTS, token).events) == 2
        after = caller.metric_values()
        assert {name: after[name] - before.get(name, 0.0) for name in metrics} == metrics
        assert after["floorcast_ready"] == 1.0
        text = caller.http.get("/metrics").text
        assert not any(
            secret in text for secret in ("ACME", "47415", "acme-key-for-testing", "sysadmin")
        )


@pytest.mark.parametrize("most", [8192, 1], ids=["data", "data and what it tells"])
def test_a_full_disk_is_reported_and_no_unstored_event_is_shown(tmp_path: Path, most: int) -> None:
    """Events get 503 until the disk has room, and a retry is then accepted once.

    The test lets no file exceed ``most`` bytes. With 8192, this affects the log. With 1, it also
    affects the server's smaller files.
    """
    with running(tmp_path) as server, Caller(server.url) as caller:
        caller.login()
        begin = caller.feed(EVENTS).token
        batches = [
            [event("call.end", f"{batch}/{n}", account=f"{batch}/{n}", **CALL) for n in range(300)]
            for batch in range(4)
        ]
        caller.take(ndjson(batches[0]))
        server.limit_files(most)
        lines = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": "application/x-ndjson"}
        for batch in batches[1:]:
            answer = caller.http.post("/ingest/v1/events", content=ndjson(batch), headers=lines)
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == 101
            assert int(answer.headers["retry-after"]) >= 1
        assert caller.http.get("/readyz").status_code == 503
        assert caller.http.get("/healthz").status_code == 200
        page = caller.feed(EVENTS, begin)
        assert [one["account"] for one in page.events] == [one["id"] for one in batches[0]]
        server.limit_files(-1)
        for batch in reversed(batches):
            caller.take(ndjson(batch))
        assert caller.http.get("/readyz").status_code == 200
        rest = caller.feed(EVENTS, page.token).events
        expected = [one["id"] for batch in reversed(batches[1:]) for one in batch]
        assert [one["account"] for one in rest] == expected
        server.kill()
        server.start()
        again = caller.follow(EVENTS, begin, until=expected[-1], count=500)
        assert again == [*page.events, *rest]


# --- refusing to start ----------------------------------------------------------------------------


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    """A second server prints one line with the folder's owner, and exits with code 1."""
    with running(tmp_path) as server, Caller(server.url) as caller:
        said = run(tmp_path, "serve", "--data", server.data, "--site", server.site, "--port", 0)
        assert said.code == 1
        assert said.out == ""
        (line,) = said.err.splitlines()
        assert line.startswith(f"floorcast: data folder {server.data} is in use by process ")
        assert "--data" in line
        caller.login()


def test_a_log_that_lost_events_is_refused_without_accept_loss(tmp_path: Path) -> None:
    """A server whose log was deleted does not start, except with ``--accept-loss``."""
    with running(tmp_path) as server, Caller(server.url) as caller:
        caller.login()
        caller.take(ndjson([event("call.start", 1, direction="INBOUND", **CALL)]))
        server.kill()
        for file in server.data.glob("log.db*"):
            file.unlink()
        serve = ("serve", "--data", server.data, "--port", 0)
        said = run(tmp_path, *serve)
        assert (said.code, said.out) == (1, "")
        (line,) = said.err.splitlines()
        assert line.startswith("floorcast: events that were acknowledged are missing from ")
        assert "--accept-loss" in line
        with subprocess.Popen(
            command(*serve, "--accept-loss"), env=environment(), stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"floorcast answers")
            process.terminate()
            assert process.wait(30) == 0
        server.start()


def test_the_server_raises_the_limit_on_open_files(tmp_path: Path) -> None:
    """The server raises the soft limit on open files, so it accepts more connections than that."""
    port = free_port()
    serve = command("serve", "--data", tmp_path / "data", "--port", port)
    limited = ["sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh", *serve]
    with subprocess.Popen(limited, env=environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"floorcast answers")
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            answer = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=30)
            assert answer.json() == {"status": "ok"}
        process.terminate()
        assert process.wait(30) == 0


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    """The server prints one line with the port, exits with code 1, and creates no data folder."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = run(tmp_path, "serve", "--data", "data", "--port", port)
    assert said.code == 1
    (line,) = said.err.splitlines()
    assert line.startswith(f"floorcast: cannot listen on 127.0.0.1 port {port}: ")
    assert not (tmp_path / "data").exists()


WRONG = [
    (["--port", "many"], {}, "", "--port: must be a whole number from 0 to 65,535, not 'many'"),
    (["--data", "data"], {"FLOORCAST_PROT": "1"}, "", "did you mean FLOORCAST_PORT?"),
    (["--data", "data"], {}, "prot = 1", "there is no setting 'prot'; did you mean port?"),
    (["--site", "none.toml", "--port", "0"], {}, "", "none.toml cannot be read"),
]


@pytest.mark.parametrize(("options", "variables", "file", "message"), WRONG)
def test_an_invalid_setting_is_refused_before_anything_starts(
    tmp_path: Path, options: list[str], variables: dict[str, str], file: str, message: str
) -> None:
    """The server prints a message that names the setting, and exits with code 1."""
    if file:
        (tmp_path / "floorcast.toml").write_text(file)
    said = run(tmp_path, "serve", *options, **variables)
    assert (said.code, said.out) == (1, "")
    assert message in said.err
    assert said.err.startswith("floorcast: ")
    assert "Traceback" not in said.err
    assert not (tmp_path / "data" / "log.db").exists()


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    """An unknown option leads to an error with the option's name and to exit code 2."""
    said = run(tmp_path, "serve", "--prot", "1")
    assert said.code == 2
    assert "--prot" in said.err


# --- secrets and the log --------------------------------------------------------------------------

PERSONAL = {
    "callerId": "6505550199",
    "phoneDialed": "6505550188",
    "account": "account-0815",
    "consumer": {"firstName": "Melusine", "lastName": "Mcgeehan"},
    "zipCode": "94404-0001",
    "operatorPhone": "6505550177",
}
HIDDEN = [
    *(
        PASSWORD,
        "wrong password",
        "acme-token-for-tests",
        "wrong-token",
        "acme-key-for-testing",
        "wrong-key",
    ),
    *("clear secret", "argon2"),
    *("6505550199", "6505550188", "6505550177", "6505550166", "account-0815"),
    *("Melusine", "Mcgeehan", "94404-0001", "jane@example.org"),
]
MORE_SITE = """
[[client]]
id = 6
name = "CLEAR"
api_tokens = ["clear-token-for-tests"]
user = [{id = 1, name = "clear", role = "Sysadmin", password = "clear secret"}]
"""


def test_the_log_has_no_personal_data_or_secrets(tmp_path: Path) -> None:
    """At level info, the log has no phone numbers, names, passwords, tokens, keys or sessions."""
    with running(tmp_path, site=SITE + MORE_SITE) as server, Caller(server.url) as caller:
        session = caller.login()
        hidden = [*HIDDEN, session, "clear-token-for-tests"]
        http = caller.http
        for access, password in (
            ("wrong-token", PASSWORD),
            ("acme-token-for-tests", "wrong password"),
        ):
            for path in ("/session/login", "/session/password"):
                body = {"clientName": "ACME", "userName": "sysadmin", "newPassword": "new password"}
                http.post(path, headers={"LV-Access": access}, json={**body, "password": password})
        token = caller.feed(EVENTS).token
        caller.take(
            ndjson(
                [
                    event("call.start", 1, direction="INBOUND", **CALL, **PERSONAL),
                    event("agent.state", 2, agent="SEBY", eventType="IN_CALL", call=CALL),
                    event("call.end", 3, transactionId=1, sessionId="s"),
                    event("email.attempt", 4, service=1, eventType="A", toEmail="jane@example.org"),
                    event("sms.attempt", 5, service=1, eventType="A", phoneNumber="6505550166"),
                    event("call.start", 6, **CALL, **PERSONAL),
                    {"6505550199": "acme-key-for-testing"},
                ]
            )
        )
        for path in (EVENTS, AGENTS):
            caller.feed(path, token)
        http.post(EVENTS, content=b'{"token": "6505550199"}')
        http.post(EVENTS, content=b'{"filter": {"6505550199": 1}}')
        http.post(f"/ingest/v1/{KEYS['ACME']}/6505550199")
        http.post("/ingest/v1/events", headers={"Authorization": "Bearer wrong-key"})
        http.get("/realtime/callData/postCall", params={"transaction": 1, "session": "6505550199"})
        http.get("/realtime/callData/postCall", params={"transaction": 1, "session": "s"})
        http.get(f"/session/validate/{session}")
        http.get("/session/validate", params={"sessionId": session})
        http.post("/session/login?cookie=true", headers={"Cookie": f"LV-Session={session}"})
        http.delete(f"/session/logout/{session}")
        server.kill()
        server.start()
        assert server.terminate() == 0
    log_text = server.log.read_text()
    assert [secret for secret in hidden if secret in log_text] == []
    lines = [json.loads(line) for line in log_text.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) > 15
    assert {line["level"] for line in lines} <= {"info", "warning"}
    assert set(requests[0]) >= {"method", "path", "status", "ms", "timestamp"}


def test_a_server_in_memory_leaves_no_files(tmp_path: Path) -> None:
    """A server with ``--data :memory:`` works like any other server, but creates no files."""
    server = Server(tmp_path)
    server.data = Path(":memory:")
    with server, Caller(server.url) as caller:
        caller.login()
        token = caller.feed(EVENTS).token
        caller.take(ndjson([event("call.start", 1, direction="INBOUND", **CALL)]))
        assert len(caller.feed(EVENTS, token).events) == 1
        assert server.terminate() == 0
    assert {file.name for file in tmp_path.iterdir()} == {"site.toml", "server.log"}
