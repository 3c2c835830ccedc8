"""Runs a cluster under faults for minutes, and counts lost, repeated and reordered events.

    python -m benchmarks.cluster_soak [--minutes 25] [--seed 1]

The cluster has three NATS servers and three nodes. Three sources send events, and readers switch
nodes at every request. Each fault lasts some seconds: a NATS server or a node is killed, paused or
disconnected, a node's clock is set, or one NATS server's disk is rolled back. At the end, all NATS
servers are rolled back together, and the log is repaired from the nodes' folders. The exit code is
1 if any event was lost, repeated or reordered, or differs between nodes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.nats_servers import NatsServer, NatsServers
from tests.real.cluster import Cluster, RoamingCaller, running_cluster, wait_until
from tests.real.load import PATIENCE, Load, Source, marks
from tests.real.server import AGENTS, EVENTS, Caller, Server, command, environment
from tests.real.sites import event, ndjson

SOURCES = 3
READERS = 2  # per feed
FAULT_SECONDS = (3.0, 12.0)
PAUSE_SECONDS = (2.0, 6.0)
START_SECONDS = 300.0  # until a node has started despite faults and a busy machine
CLOCK_STEPS = (3 * 3600, -1800, 1800, 290, -290)  # seconds
THE_END = "the end"

SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(which, now);
    if (which == CLOCK_REALTIME) {
        FILE *file = fopen(getenv("SOAK_CLOCK"), "r");
        long step = 0;
        if (file) { if (fscanf(file, "%ld", &step) != 1) step = 0; fclose(file); }
        now->tv_sec += step;
    }
    return result;
}
"""

say = Console(stderr=True, highlight=False).print


class Faults:
    """Applies faults to a cluster, one after another, and ends each before the next."""

    def __init__(self, cluster: Cluster, folder: Path, seed: str) -> None:
        self._cluster = cluster
        self._servers = cluster.servers
        self._folder = folder
        self._random = random.Random(seed)
        self.done: Counter[str] = Counter()

    def go_on(self, minutes: float) -> None:
        """Apply faults for this many minutes. Each kind occurs once before any kind repeats."""
        until = time.monotonic() + 60 * minutes
        kinds = {
            "NATS server killed": self._server_killed,
            "NATS server stands still": self._server_stopped,
            "NATS server cut off": self._server_cut_off,
            "NATS server rolled back": self._server_rolled_back,
            "node killed": self._node_killed,
            "node stands still": self._node_stopped,
            "node cut off": self._node_cut_off,
            "node's clock set": self._clock_set,
        }
        left: list[str] = []
        while time.monotonic() < until:
            left = left or self._random.sample(sorted(kinds), len(kinds))
            name = left.pop()
            kinds[name]()
            self.done[name] += 1
            self._wait(PAUSE_SECONDS)

    def _wait(self, seconds: tuple[float, float]) -> None:
        threading.Event().wait(self._random.uniform(*seconds))

    def _server(self) -> NatsServer:
        return self._random.choice(self._servers.servers)

    def _node(self) -> Server:
        return self._random.choice(self._cluster.nodes)

    def _server_killed(self) -> None:
        self._server().kill()
        self._wait(FAULT_SECONDS)
        self._servers.start()

    def _server_stopped(self) -> None:
        server = self._server()
        server.pause()
        self._wait(FAULT_SECONDS)
        server.resume()

    def _server_cut_off(self) -> None:
        self._servers.cut_off(self._server())
        self._wait(FAULT_SECONDS)
        self._servers.mend()

    def _server_rolled_back(self) -> None:
        server = self._server()
        server.kill()
        kept = self._folder / "kept"
        shutil.copytree(server.data, kept)
        self._servers.start()
        self._wait(FAULT_SECONDS)
        server.kill()
        shutil.rmtree(server.data)
        kept.rename(server.data)
        self._servers.start()

    def _node_killed(self) -> None:
        node = self._node()
        node.kill()
        self._wait(FAULT_SECONDS)
        node.start()

    def _node_stopped(self) -> None:
        node = self._node()
        node.send_signal(signal.SIGSTOP)
        self._wait(FAULT_SECONDS)
        node.send_signal(signal.SIGCONT)
        node.up.set()

    def _node_cut_off(self) -> None:
        for wire in self._cluster.wires:
            wire.cut()
        self._wait(FAULT_SECONDS)
        for wire in self._cluster.wires:
            wire.mend()

    def _clock_set(self) -> None:
        clock = Path(self._node().variables.get("SOAK_CLOCK", self._folder / "no clock"))
        clock.write_text(str(self._random.choice(CLOCK_STEPS)))
        self._wait(FAULT_SECONDS)
        if self._random.random() < 0.5:
            clock.write_text("0")


def read(nodes: list[Server], session: str, begin: str, path: str, seed: str) -> list[Any]:
    """Return all events that a reader gets if it switches nodes at every request."""
    with RoamingCaller(nodes, seed) as reader:
        reader.http.headers["LV-Session"] = session
        return reader.follow(path, begin, until=THE_END, count=500)


class Soak:
    """The sources and readers of a cluster, and the checks of their events."""

    def __init__(self, cluster: Cluster, seed: str) -> None:
        self.cluster = cluster
        self._seed = seed
        self._load = Load()
        self.sources = [
            Source(
                partial(RoamingCaller, cluster.nodes, f"{seed} {number}"),
                f"source {number}",
                self._load,
            )
            for number in range(SOURCES)
        ]

    @contextmanager
    def under_load(self) -> Iterator[dict[str, list[Future[list[Any]]]]]:
        """Let the sources send while the block runs. Yields the futures of the readers' events."""
        with ExitStack() as stack:
            caller = stack.enter_context(Caller(self.cluster.nodes[0].url))
            self.session, self.begin = caller.login(), caller.feed(EVENTS).token
            readers = stack.enter_context(ThreadPoolExecutor(2 * READERS))
            ask = partial(read, self.cluster.nodes, self.session, self.begin)
            seen = {
                path: [
                    readers.submit(ask, path, f"{self._seed} {path} {number}")
                    for number in range(READERS)
                ]
                for path in (EVENTS, AGENTS)
            }
            for source in self.sources:
                source.start()
            try:
                yield seen
            except Exception:  # noqa: BLE001 — after any error, readers would wait forever
                say("the soak itself has failed", traceback.format_exc())
                for node in self.cluster.nodes:
                    with suppress(AssertionError):  # raised if the node is not running
                        node.kill()
                self.cluster.servers.stop()
                os._exit(2)
            self._load.end()
            for source in self.sources:
                source.join(PATIENCE)
            self._end()

    def _end(self) -> None:
        end = [
            event("email.attempt", THE_END, service="Sales", eventType=THE_END, accountNumber="-"),
            event("agent.state", f"{THE_END}.", agent="x", eventType="READY", result=THE_END),
        ]
        with RoamingCaller(self.cluster.nodes, "end") as last:
            last.take(ndjson(end))

    def counted(self, path: str, events: list[dict[str, Any]]) -> Counter[str]:
        """Count the events that a reader missed, saw twice, or saw out of order."""
        seen = list(marks(events))
        sent = [mark for source in self.sources for mark in source.sent[path]]
        found = Counter(read=len(seen), doubled=len(seen) - len(set(seen)))
        found["lost"] = len(set(sent) - set(seen))
        for source in self.sources:
            mine = [mark for mark in dict.fromkeys(seen) if mark.startswith(f"{source.name}/")]
            seen_of_it = set(mine)
            found["reordered"] += mine != [m for m in source.sent[path] if m in seen_of_it]
        return found

    def differing(self) -> int:
        """Return the number of feeds that differ between nodes."""
        count = 0
        for path in (EVENTS, AGENTS):
            ask = partial(read, session=self.session, begin=self.begin, path=path, seed="all")
            feeds = [ask([node]) for node in self.cluster.nodes]
            count += any(feed != feeds[0] for feed in feeds)
        return count


def roll_back_all(cluster: Cluster, kept: Path) -> None:
    """Roll every NATS server back to ``kept``, and then repair the log from every node's folder."""
    for server in cluster.servers.servers:
        server.kill()
        shutil.rmtree(server.data)
        shutil.copytree(kept / server.name, server.data)
    cluster.servers.start()
    for node in cluster.nodes:
        with Caller(node.url) as caller:
            wait_until(partial(_is_halted, caller))
        node.kill()
    for node in cluster.nodes:
        words = ("cluster", "repair", "--data", node.data, "--log", cluster.url)
        done = subprocess.run(
            command(*words), env=environment(), capture_output=True, text=True, check=False
        )
        say(f"repair from {node.data.parent.name}: {done.stdout.strip() or done.stderr[-300:]}")
    for node in cluster.nodes:
        node.start()


def _is_halted(caller: Caller) -> bool:
    return "repair" in caller.http.get("/readyz").text


def keep(cluster: Cluster, folder: Path) -> Path:
    """Stop all NATS servers, copy their disks to ``folder``, and start them. Returns ``folder``."""
    for server in cluster.servers.servers:
        server.kill()
    for server in cluster.servers.servers:
        shutil.copytree(server.data, folder / server.name)
    cluster.servers.start()
    return folder


def prepared(cluster: Cluster, folder: Path) -> None:
    """Give each node a file that sets its clock, if there is a C compiler."""
    for node in cluster.nodes:
        node.patience = START_SECONDS
    compiler = shutil.which("cc")
    if compiler is None:
        say("no C compiler: clocks are not set")
        return
    (folder / "clock.c").write_text(SHIM)
    shim = folder / "clock.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", shim, folder / "clock.c", "-ldl"], check=True
    )
    for number, node in enumerate(cluster.nodes):
        clock = folder / f"clock{number}"
        clock.write_text("0")
        node.variables |= {"LD_PRELOAD": str(shim), "SOAK_CLOCK": str(clock)}


def soak(folder: Path, minutes: float, seed: str) -> bool:
    """Run the test. Returns whether all events arrived once, in order, and on every node alike."""
    servers = NatsServers(folder / "nats", 3, wired=True)
    prepare: Callable[[Cluster], None] = partial(prepared, folder=folder)
    try:
        with running_cluster(folder, servers.start(), prepare) as cluster:
            run, faults = Soak(cluster, seed), Faults(cluster, folder, seed)
            with run.under_load() as seen:
                faults.go_on(minutes)
                kept = keep(cluster, folder / "disks")
            bad = Counter[str]()
            for path, readers in seen.items():
                for reader in readers:
                    found = run.counted(path, reader.result(PATIENCE))
                    say(f"{path}: {dict(found)}")
                    bad += found
            bad["different"] = run.differing()
            say(f"faults: {dict(faults.done)}")
            say(f"feeds that differ between nodes: {bad['different']}")
            with RoamingCaller(cluster.nodes, "late") as late:
                late.take(ndjson([event("call.start", f"late {n}", service="Sales",
                          direction="INBOUND", transactionId=n, sessionId="late",
                          account=f"late/{n}") for n in range(500)]))  # fmt: skip
            wait_until(lambda: _all_have(cluster, run, 500))
            roll_back_all(cluster, kept)
            bad["different"] += run.differing()
            wait_until(lambda: _all_have(cluster, run, 500))
            say("after the roll-back and the repair, every node has what was acknowledged")
    finally:
        servers.stop()
    return not any(bad[kind] for kind in ("lost", "doubled", "reordered", "different"))


def _all_have(cluster: Cluster, run: Soak, count: int) -> bool:
    for node in cluster.nodes:
        with Caller(node.url) as caller:
            caller.http.headers["LV-Session"] = run.session
            found, token = set[str](), run.begin
            while True:
                page = caller.feed(EVENTS, token, count=1000)
                found |= {mark for mark in marks(page.events) if mark.startswith("late/")}
                token = page.token
                if len(page.events) < 1000:
                    break
        if len(found) != count:
            return False
    return True


def main() -> None:
    """Run the test and print the results."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=25.0)
    options.add_argument("--seed", default="1")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        well = soak(Path(folder), chosen.minutes, chosen.seed)
    say("nothing was lost, doubled, reordered or different" if well else "see above")
    sys.exit(not well)


if __name__ == "__main__":
    main()
