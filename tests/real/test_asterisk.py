"""Tests of connectors to a real Asterisk with real calls, by AMI, by the queue log, and by both.

Each scenario has its own Asterisk and three connectors. Their events must lead to the figures that
a person would read from the log, and no call may stay open.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.connectors.pbx.figures import Duration, Figures, Floor, log_durations
from tests.real.asterisk import SUITES, Asterisk, Connector, own_network, tree, wait_until
from tests.real.phone import Stage

if "ASTERISK" not in os.environ:
    pytest.skip("a real Asterisk has a run of its own: make test-asterisk", allow_module_level=True)

pytestmark = pytest.mark.timeout(600)  # the first test builds an Asterisk

APART = 1.5  # seconds by which durations may differ from the log's, which are in whole seconds


@pytest.fixture(scope="session", params=SUITES)
def root(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Yield the tree of one version of Asterisk."""
    with tree(request.param) as found:
        yield found


@pytest.fixture
def asterisk(root: Path, tmp_path: Path) -> Iterator[Asterisk]:
    """Run an Asterisk in its own network namespace."""
    with own_network():
        one = Asterisk(root, f"{os.getpid()}-{tmp_path.name}")
        try:
            one.start()
            yield one
        finally:
            one.stop()


class Connectors(NamedTuple):
    """Three connectors, which read AMI, the queue log, or both."""

    ami: Connector
    log: Connector
    both: Connector


@pytest.fixture
def connectors(asterisk: Asterisk, tmp_path: Path) -> Iterator[Connectors]:
    """Run all three connectors, and stop them as an operator would."""
    log = asterisk.queue_log
    made = Connectors(
        Connector("ami", tmp_path, None, 9001, ami=True),
        Connector("log", tmp_path, log, 9002, ami=False),
        Connector("both", tmp_path, log, 9003, ami=True),
    )
    codes: list[int | None] = []
    with ExitStack() as ending:
        for one in made:
            ending.callback(one.intake.stop)
            one.start()
            ending.callback(lambda one=one: codes.append(one.stop()))  # type: ignore[misc]  # as below
        for one in made:
            one.await_start()
        for one in (made.ami, made.both):
            wait_until(lambda one=one: "Bob Support" in Floor(one.events()).states, one.log_text)  # type: ignore[misc]  # a loop variable as a default
        yield made
    assert codes == [0, 0, 0]


class Scenario:
    """A scenario, with the events that the connectors have sent since it began."""

    def __init__(self, asterisk: Asterisk, connectors: Connectors) -> None:
        self._asterisk = asterisk
        self._connectors = connectors
        self._began = {one.name: len(one.events()) for one in connectors}

    def floors(self) -> dict[str, Floor]:
        return {one.name: Floor(one.events()[self._began[one.name] :]) for one in self._connectors}

    def until(self, holds: Callable[[dict[str, Floor]], bool]) -> dict[str, Floor]:
        """Wait until a condition is true of the floors. Returns the floors."""
        wait_until(lambda: holds(self.floors()), self._description)
        return self.floors()

    def await_figures(
        self,
        expected: dict[str, Figures],
        *,
        log: dict[str, Figures] | None = None,
        timed: bool = True,
    ) -> dict[str, Floor]:
        """Wait until all three connectors have the expected figures, with no open call.

        If the queue log alone leads to other figures, they are in ``log``. If ``timed`` is true,
        waits and talk times must also equal those in the log.
        """

        def is_there(floors: dict[str, Floor]) -> bool:
            want = {"ami": expected, "both": expected, "log": log or expected}
            return all(
                floor.figures() == want[name] and not floor.open and not floor.busy
                for name, floor in floors.items()
            )

        floors = self.until(is_there)
        if timed:
            said = sorted(log_durations(self._asterisk.log_lines()))
            for name, floor in floors.items():
                assert_similar_durations(sorted(floor.durations), said, name)
        return floors

    def _description(self) -> object:
        lines = [
            f"{name}: {floor.figures()} open {floor.open} busy {floor.busy}\n{floor.states}"
            for name, floor in self.floors().items()
        ]
        return "\n".join([*lines, "queue log:", *self._asterisk.log_lines()[-40:], ""]) + "".join(
            one.log_text()[-2000:] for one in self._connectors
        )


def assert_similar_durations(found: list[Duration], said: list[Duration], name: str) -> None:
    """Check that waits and talk times differ by at most ``APART``."""
    assert [one[:2] for one in found] == [one[:2] for one in said], (name, found, said)
    for ours, theirs in zip(found, said, strict=True):
        assert abs(ours.seconds - theirs.seconds) <= APART, (name, ours, theirs)


@pytest.fixture
def scenario(asterisk: Asterisk, connectors: Connectors) -> Scenario:
    """Begin a scenario."""
    return Scenario(asterisk, connectors)


ONE_HANDLED = Figures(1, 1, 0, 0)
ONE_ABANDONED = Figures(1, 0, 1, 0)
ONE_MOVED_ON = Figures(1, 0, 0, 1)
BOB = "PJSIP/agent2"
AMI = ("ami", "both")


def test_the_caller_hangs_up(asterisk: Asterisk, scenario: Scenario) -> None:
    """The call is offered and handled, and the agent goes through all states of a call."""
    with asterisk.agent(1):
        call = asterisk.caller("sales")
        asterisk.await_line("CONNECT")
        call.hang_up()
        floors = scenario.await_figures({"sales": ONE_HANDLED})
    states = ["RESERVED", "IN_CALL", "WRAP_UP", "READY"]
    assert floors["ami"].states == floors["both"].states == {"Anna Sales": states}
    assert floors["log"].states["Anna Sales"][-3:] == states[1:]


def test_the_agent_hangs_up(asterisk: Asterisk, scenario: Scenario) -> None:
    """The figures are the same if the agent hangs up."""
    with asterisk.agent(2, "agent-hangs-up"):
        asterisk.caller("tosupport")
        asterisk.await_line("COMPLETEAGENT")
        asterisk.command("channel request hangup all")  # the caller is still in the dialplan
        scenario.await_figures({"support": ONE_HANDLED})


def test_the_caller_gives_up(asterisk: Asterisk, scenario: Scenario) -> None:
    """A call is abandoned while an agent's phone is ringing again after a missed attempt."""
    with asterisk.agent(1, "agent-rings"):
        call = asterisk.caller("sales")
        asterisk.await_line("RINGNOANSWER")
        asterisk.channel("PJSIP/agent1")
        call.hang_up()
        floors = scenario.await_figures({"sales": ONE_ABANDONED})
    missed = len([one for one in asterisk.log_lines() if "RINGNOANSWER" in one])
    assert {floor.kinds["agent.missed"] for floor in floors.values()} == {missed}


def test_a_call_overflows_into_a_second_queue(asterisk: Asterisk, scenario: Scenario) -> None:
    """The call is moved on in the first queue and handled in the second.

    The first queue's agent is paused, and the pause's reason is reported.
    """
    asterisk.pause(BOB, "LUNCH")
    with asterisk.agent(1):
        call = asterisk.caller("nobody")
        asterisk.await_line("CONNECT")
        call.hang_up()
        asterisk.pause(BOB, "")
        scenario.until(
            lambda floors: all(
                one.states.get("Bob Support", [])[-2:] == ["NOT_READY LUNCH", "READY"]
                for one in floors.values()
            )
        )
        floors = scenario.await_figures({"support": ONE_MOVED_ON, "sales": ONE_HANDLED})
    assert [floor.reasons for floor in floors.values()] == [["OVERFLOW"]] * 3


def test_a_call_leaves_the_queue_for_a_menu(asterisk: Asterisk, scenario: Scenario) -> None:
    """A call that leaves the queue by a key is moved on."""
    asterisk.pause(BOB, "BREAK")
    asterisk.caller("keyexit")
    asterisk.await_line("ENTERQUEUE")
    # The digit is repeated, because it is lost while the queue is not yet listening.
    asterisk.await_line(
        "EXITWITHKEY",
        meanwhile=lambda: asterisk.action(
            "PlayDTMF", Channel=asterisk.channel("PJSIP/trunk"), Digit="1", Receive="true"
        ),
    )
    floors = scenario.await_figures({"support": ONE_MOVED_ON})
    assert [floor.reasons for floor in floors.values()] == [["KEY"]] * 3


def test_a_caller_refused_by_the_queue_is_not_reported(
    asterisk: Asterisk, scenario: Scenario
) -> None:
    """No connector reports a caller that the queue refuses."""
    call = asterisk.caller("empty")
    wait_until(lambda: call.stage is Stage.OVER, lambda: call.stage)
    with asterisk.agent(1):  # during this call, any report of the first caller would arrive
        other = asterisk.caller("sales")
        asterisk.await_line("CONNECT")
        other.hang_up()
        scenario.await_figures({"sales": ONE_HANDLED})


def test_pauses_of_an_agent_in_two_queues(
    asterisk: Asterisk, scenario: Scenario, connectors: Connectors
) -> None:
    """An agent is not ready while paused in both queues. Another reason leads to another state.

    The agent's services change with the queues.
    """
    asterisk.action("QueueAdd", Queue="sales", Interface=BOB, MemberName="Bob Support")
    asterisk.action("QueuePause", Queue="sales", Interface=BOB, Paused="true", Reason="BREAK")
    for reason in ("BREAK", "MEETING", ""):
        asterisk.pause(BOB, reason)
    asterisk.action("QueueRemove", Queue="sales", Interface=BOB)
    want = ["NOT_READY BREAK", "NOT_READY MEETING", "READY"]

    def is_reported(floors: dict[str, Floor]) -> bool:
        def in_order(states: list[str]) -> bool:
            rest = iter(states)
            return all(one in rest for one in want)

        return all(in_order(one.states.get("Bob Support", [])) for one in floors.values())

    scenario.until(is_reported)
    services = [
        one["data"]["services"]
        for one in connectors.ami.events()
        if one["data"].get("agent") == "Bob Support" and "services" in one["data"]
    ]
    changes = [now for now, _ in groupby(services)]
    assert changes == [["support"], ["sales", "support"], ["support"]]


def test_an_agent_in_two_queues_takes_calls_from_both(
    asterisk: Asterisk, scenario: Scenario
) -> None:
    """Each call of the agent counts in its own queue."""
    asterisk.action("QueueAdd", Queue="sales", Interface=BOB, MemberName="Bob Support")
    asterisk.pause("PJSIP/agent1", "BREAK")
    with asterisk.agent(2):
        for count, extension in ((1, "sales"), (2, "tosupport")):
            call = asterisk.caller(extension)
            asterisk.await_line("CONNECT", count)
            call.hang_up()
        floors = scenario.await_figures({"sales": ONE_HANDLED, "support": ONE_HANDLED})
    for floor in floors.values():
        assert floor.states["Bob Support"].count("IN_CALL") == 2


def test_hold_and_resume(asterisk: Asterisk, scenario: Scenario) -> None:
    """AMI reports that the agent holds the call. The queue log does not, but has equal figures."""
    with asterisk.agent(1, "agent-holds"):
        asterisk.caller("sales")
        floors = scenario.await_figures({"sales": ONE_HANDLED})
    for name in AMI:
        agent_states = floors[name].states["Anna Sales"]
        assert agent_states[1:4] == ["IN_CALL", "AGENT_HOLD", "AGENT_RESUMED"], agent_states


def test_a_blind_transfer_into_a_queue(asterisk: Asterisk, scenario: Scenario) -> None:
    """A call that its caller ends after three transfers is handled once."""
    with asterisk.agent(2, "agent-refers"):
        call = asterisk.caller("tosupport")
        asterisk.await_line("BLINDTRANSFER", 2)
        asterisk.await_line("ENTERQUEUE", 3)
        call.hang_up()
        floors = scenario.await_figures({"support": ONE_HANDLED}, timed=False)
    assert all(floor.kinds["call.start"] == 1 for floor in floors.values())


def assert_passed_on(floors: dict[str, Floor], handed: str = "Bob Support") -> None:
    """Check that the first agent is free after a transfer and that the second has the call."""
    for name in ("ami", "both"):
        states = floors[name].states
        assert [one for one in states[handed] if "HOLD" not in one and "DIRECT" not in one] == [
            "RESERVED",
            "IN_CALL",
            "AGENT_TRANSFER_COMPLETE_AGENT2",
            "WRAP_UP",
            "READY",
        ]
        assert [one for one in states["Anna Sales"] if one != "RESERVED"] == [
            "IN_CALL",
            "WRAP_UP",
            "READY",
        ]


def test_a_blind_transfer_to_an_agent(asterisk: Asterisk, scenario: Scenario) -> None:
    """A call that continues with another agent is still one call in its queue."""
    with asterisk.agent(1), asterisk.phone(2) as bob:
        call = asterisk.caller("tosupport")
        asterisk.await_talk("PJSIP/agent2")
        bob.leg().refer("81")
        scenario.until(lambda floors: "Anna Sales" in floors["ami"].states)
        scenario.until(lambda floors: "IN_CALL" in floors["both"].states.get("Anna Sales", []))
        call.hang_up()
        floors = scenario.await_figures({"support": ONE_HANDLED}, timed=False)
    assert all(floor.kinds["call.start"] == 1 for floor in floors.values())
    assert_passed_on(floors)


def test_an_attended_transfer_to_an_agent(asterisk: Asterisk, scenario: Scenario) -> None:
    """The agents first talk to each other. Then the first agent's phone transfers the caller."""
    with asterisk.agent(1), asterisk.phone(2) as bob:
        call = asterisk.caller("tosupport")
        asterisk.await_talk("PJSIP/agent2")
        first = bob.leg()
        second = bob.call("81")
        asterisk.await_talk("PJSIP/agent1")
        wait_until(lambda: second.stage is Stage.UP, lambda: second.stage)
        first.refer_to(second)
        wait_until(lambda: second.stage is Stage.OVER, lambda: second.stage)
        first.hang_up()
        scenario.until(
            lambda floors: all("IN_CALL" in floors[n].states.get("Anna Sales", []) for n in AMI)
        )
        call.hang_up()
        floors = scenario.await_figures({"support": ONE_HANDLED}, timed=False)
    assert_passed_on(floors)


def test_an_attended_transfer_by_feature_code(asterisk: Asterisk, scenario: Scenario) -> None:
    """The transfer works if Asterisk itself makes the second call, through a Local channel."""
    with asterisk.agent(1), asterisk.phone(2) as bob:
        call = asterisk.caller("tosupport")
        asterisk.await_talk("PJSIP/agent2")
        leg = asterisk.channel("PJSIP/agent2")
        asterisk.action("Atxfer", Channel=leg, Context="agents", Exten="81")
        asterisk.channel("PJSIP/agent1")
        asterisk.await_talk("PJSIP/agent1")
        bob.leg().hang_up()
        scenario.until(
            lambda floors: all("IN_CALL" in floors[n].states.get("Anna Sales", []) for n in AMI)
        )
        call.hang_up()
        floors = scenario.await_figures({"support": ONE_HANDLED}, timed=False)
    assert_passed_on(floors)


@pytest.mark.parametrize("is_by_code", [False, True])
def test_an_attended_transfer_into_a_queue(
    asterisk: Asterisk, scenario: Scenario, is_by_code: bool
) -> None:
    """The caller takes the place of the agent, who has been waiting in the second queue.

    Asterisk swaps the ids of the calls.
    """
    with asterisk.phone(2) as bob:
        call = asterisk.caller("tosupport")
        asterisk.await_talk("PJSIP/agent2")
        first = bob.leg()
        if is_by_code:
            leg = asterisk.channel("PJSIP/agent2")
            asterisk.action("Atxfer", Channel=leg, Context="agents", Exten="91")
            asterisk.await_line("ENTERQUEUE", 2)
            first.hang_up()
        else:
            second = bob.call("91")
            asterisk.await_line("ENTERQUEUE", 2)
            first.refer_to(second)
            wait_until(lambda: second.stage is Stage.OVER, lambda: second.stage)
            first.hang_up()
        scenario.until(
            lambda floors: all("WRAP_UP" in floors[n].states["Bob Support"] for n in AMI)
        )
        with asterisk.agent(1):
            asterisk.await_line("CONNECT", 2)
            scenario.until(
                lambda floors: all("IN_CALL" in floors[n].states.get("Anna Sales", []) for n in AMI)
            )
            call.hang_up()
            scenario.await_figures({"support": ONE_HANDLED, "sales": ONE_HANDLED}, timed=False)


@pytest.mark.parametrize("queue", ["local", "localn"])
def test_a_member_behind_a_local_channel(
    asterisk: Asterisk, scenario: Scenario, queue: str
) -> None:
    """One call is handled, whether or not Asterisk optimizes the Local channel away."""
    with asterisk.agent(1):
        call = asterisk.caller(queue)
        asterisk.await_line("CONNECT")
        call.hang_up()
        scenario.await_figures({queue: ONE_HANDLED})


@pytest.mark.parametrize("target", ["82", "92"])
def test_a_transfer_behind_a_local_channel(
    asterisk: Asterisk, scenario: Scenario, target: str
) -> None:
    """The first queue counts the call after a transfer to an agent or to another queue."""
    with asterisk.phone(1) as anna, asterisk.agent(2):
        call = asterisk.caller("tolocaln")
        asterisk.await_line("CONNECT")
        asterisk.await_talk("PJSIP/agent1")
        asterisk.await_talk("PJSIP/trunk")
        anna.leg().refer(target)
        scenario.until(
            lambda floors: all("IN_CALL" in floors[n].states.get("Bob Support", []) for n in AMI)
        )
        scenario.until(lambda floors: all("READY" in floors[n].states["Nora LocalN"] for n in AMI))
        if target == "92":
            asterisk.await_line("CONNECT", 2)
        call.hang_up()
        expected = {"localn": ONE_HANDLED} | ({"support": ONE_HANDLED} if target == "92" else {})
        floors = scenario.await_figures(expected, timed=False)
    assert all(floors[n].kinds["call.start"] == 1 for n in AMI)


@pytest.mark.parametrize("queue", ["pool", "pool2"])
def test_an_agent_in_a_pool(asterisk: Asterisk, scenario: Scenario, queue: str) -> None:
    """An agent can log in with a call of their own, over which they take the queue's calls."""
    with asterisk.agent(1):
        asterisk.originate(1, "login")
        asterisk.await_agent_pool(is_free=True)
        call = asterisk.caller(queue)
        asterisk.await_line("CONNECT")
        call.hang_up()
        asterisk.await_line("COMPLETECALLER")
        asterisk.command("channel request hangup all")  # ends the agent's own call
        asterisk.await_agent_pool(is_free=False)
        scenario.await_figures({queue: ONE_HANDLED})


def test_the_manager_withdraws_a_caller(asterisk: Asterisk, scenario: Scenario) -> None:
    """A caller that the manager interface withdraws from the queue is moved on."""
    asterisk.pause(BOB, "BREAK")
    call = asterisk.caller("tosupport")
    asterisk.await_line("ENTERQUEUE")
    channel = asterisk.channel("PJSIP/trunk")
    asterisk.action("QueueWithdrawCaller", Queue="support", Caller=channel, WithdrawInfo="sorry")
    asterisk.await_line("WITHDRAW")
    scenario.until(lambda floors: all(one.reasons for one in floors.values()))
    call.hang_up()
    floors = scenario.await_figures({"support": ONE_MOVED_ON}, timed=False)  # the log has no wait
    assert [floor.reasons for floor in floors.values()] == [["WITHDRAWN"]] * 3


def test_a_caller_waits_too_long(asterisk: Asterisk, scenario: Scenario) -> None:
    """A caller that waits too long is moved on, with the same reason from each connector."""
    asterisk.pause(BOB, "BREAK")
    asterisk.caller("tovoicemail")
    floors = scenario.await_figures({"support": ONE_MOVED_ON})
    assert [floor.reasons for floor in floors.values()] == [["TIMEOUT"]] * 3


def test_a_caller_is_redirected(asterisk: Asterisk, scenario: Scenario) -> None:
    """A redirected caller is moved on. With the log alone, the call counts as abandoned."""
    asterisk.pause(BOB, "BREAK")
    call = asterisk.caller("tosupport")
    asterisk.await_line("ENTERQUEUE")
    channel = asterisk.channel("PJSIP/trunk")
    asterisk.action("Redirect", Channel=channel, Context="agents", Exten="70", Priority="1")
    scenario.until(lambda floors: all(floors[name].reasons for name in ("ami", "both")))
    call.hang_up()
    scenario.await_figures({"support": ONE_MOVED_ON}, log={"support": ONE_ABANDONED})


def test_rotation_of_the_queue_log(asterisk: Asterisk, scenario: Scenario) -> None:
    """Calls during and after a rotation of the queue log are counted."""
    with asterisk.agent(1):
        for count in (1, 2):
            call = asterisk.caller("sales")
            asterisk.await_line("CONNECT", count)
            if count == 1:
                asterisk.command("logger rotate")
            call.hang_up()
            asterisk.await_line("COMPLETECALLER", count)
        scenario.await_figures({"sales": Figures(2, 2, 0, 0)})


def test_the_connector_is_killed_during_a_call(
    asterisk: Asterisk, scenario: Scenario, connectors: Connectors
) -> None:
    """A call that ends while the connector is down is closed later and counted once."""
    with asterisk.agent(1):
        call = asterisk.caller("sales")
        # With AMI alone, a connector does not learn of a connect while it is down.
        scenario.until(
            lambda floors: all(
                "IN_CALL" in one.states.get("Anna Sales", []) for one in floors.values()
            )
        )
        for connector in connectors:
            connector.kill()
        call.hang_up()
        asterisk.await_line("COMPLETECALLER")
        for connector in connectors:
            connector.start()
        scenario.await_figures({"sales": ONE_HANDLED})


def test_floorcast_is_unreachable(
    asterisk: Asterisk, scenario: Scenario, connectors: Connectors
) -> None:
    """Events wait in the spool for half a minute, although the connector is killed."""
    for connector in connectors:
        connector.intake.stop()
        connector.kill()  # also closes the open connection to the server
        connector.start()
    for connector in connectors:
        connector.await_start()
    began = time.monotonic()
    with asterisk.agent(1):
        for count in (1, 2):
            call = asterisk.caller("sales")
            asterisk.await_line("CONNECT", count)
            call.hang_up()
            asterisk.await_line("COMPLETECALLER", count)
            # With AMI alone, input that the connector has read but not stored is lost at a kill.
            for one in connectors:
                wait_until(
                    lambda one=one, count=count: one.metric_value("unsent_events") >= 6 * count,  # type: ignore[misc]  # as above
                    one.log_text,
                )
                one.kill()
                one.start()
            for connector in connectors:
                connector.await_start()
        wait_until(lambda: time.monotonic() - began > 30, lambda: "", patience=40)
        for connector in connectors:
            connector.intake.start()
        scenario.await_figures({"sales": Figures(2, 2, 0, 0)})


def test_asterisk_is_killed_during_calls(asterisk: Asterisk, scenario: Scenario) -> None:
    """After the restart, the call with an agent and the waiting call are closed."""
    asterisk.pause(BOB, "BREAK")
    with asterisk.agent(1):
        asterisk.caller("sales")
        asterisk.await_line("CONNECT")
        asterisk.caller("tosupport")
        asterisk.await_line("ENTERQUEUE", 2)
        scenario.until(
            lambda floors: all(
                set(one.figures()) == {"sales", "support"}
                and "IN_CALL" in one.states.get("Anna Sales", [])
                for one in floors.values()
            )
        )
        asterisk.kill()
        asterisk.start()
        scenario.await_figures({"sales": ONE_HANDLED, "support": ONE_ABANDONED}, timed=False)


def test_ami_over_tls(asterisk: Asterisk, tmp_path: Path) -> None:
    """A connector refuses a certificate unless it trusts the certificate's authority."""
    trusted = ["--ami-tls", "--ami-ca-file", str(asterisk.authority)]
    one = Connector("tls", tmp_path, None, 9001, ami=True, options=trusted)
    other = Connector("others", tmp_path, None, 9002, ami=True, options=["--ami-tls"])
    for connector in (one, other):
        connector.start()
    one.await_start()
    with asterisk.agent(1):
        call = asterisk.caller("sales")
        asterisk.await_line("CONNECT")
        call.hang_up()
        wait_until(lambda: Floor(one.events()).figures() == {"sales": ONE_HANDLED}, one.log_text)
    wait_until(lambda: "is not valid: unable to get" in other.log_text(), other.log_text)
    assert other.events() == []
    for connector in (one, other):
        assert connector.stop() == 0
        connector.intake.stop()
