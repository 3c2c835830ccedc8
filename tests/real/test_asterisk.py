"""Tests of a real Asterisk with real calls, connected by AMI, by its queue log, and by both.

Each scenario has its own Asterisk and three connectors. Their events must agree with the log as a
person reads it, and no call may stay open.
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

APART = 1.5  # seconds by which a wait may differ from the log's, which has whole seconds


@pytest.fixture(scope="session", params=SUITES)
def root(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return the tree of one version of Asterisk."""
    with tree(request.param) as found:
        yield found


@pytest.fixture
def asterisk(root: Path, tmp_path: Path) -> Iterator[Asterisk]:
    """Run an Asterisk in its own network."""
    with own_network():
        one = Asterisk(root, f"{os.getpid()}-{tmp_path.name}")
        try:
            one.start()
            yield one
        finally:
            one.stop()


class Connectors(NamedTuple):
    """The three connectors: by AMI, by the queue log, and by both."""

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
            wait_until(lambda one=one: "Bob Support" in Floor(one.events()).states, one.said)  # type: ignore[misc]  # a loop variable as a default
        yield made
    assert codes == [0, 0, 0]


class Scenario:
    """The events that the connectors have sent since the scenario began."""

    def __init__(self, asterisk: Asterisk, connectors: Connectors) -> None:
        self._asterisk = asterisk
        self._connectors = connectors
        self._began = {one.name: len(one.events()) for one in connectors}

    def floors(self) -> dict[str, Floor]:
        return {one.name: Floor(one.events()[self._began[one.name] :]) for one in self._connectors}

    def until(self, holds: Callable[[dict[str, Floor]], bool]) -> dict[str, Floor]:
        """Return the floors once a condition holds for them."""
        wait_until(lambda: holds(self.floors()), self._description)
        return self.floors()

    def await_figures(
        self,
        expected: dict[str, Figures],
        *,
        log: dict[str, Figures] | None = None,
        timed: bool = True,
    ) -> dict[str, Floor]:
        """Wait until all three connectors have the same figures and nothing is open.

        ``log`` has the figures of the queue log alone, if the log lacks information. If ``timed``
        is true, waits and talk times must equal the log's.
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
        return "\n".join(
            f"{name}: {floor.figures()} open {floor.open} busy {floor.busy}\n{floor.states}"
            for name, floor in self.floors().items()
        ) + "".join(one.said()[-2000:] for one in self._connectors)


def assert_similar_durations(found: list[Duration], said: list[Duration], name: str) -> None:
    """Check that the waits and talk times are equal within about a second."""
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
    """The call is offered and handled. The agent is reserved, in call, and ready again."""
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
        asterisk.command("channel request hangup all")  # the caller continues in the dialplan
        scenario.await_figures({"support": ONE_HANDLED})


def test_the_caller_gives_up(asterisk: Asterisk, scenario: Scenario) -> None:
    """The call is abandoned after an agent's phone rang in vain and while it rings again."""
    with asterisk.agent(1, "agent-rings"):
        call = asterisk.caller("sales")
        asterisk.await_line("RINGNOANSWER")
        asterisk.channel("PJSIP/agent1")
        call.hang_up()
        floors = scenario.await_figures({"sales": ONE_ABANDONED})
    missed = len([one for one in asterisk.log_lines() if "RINGNOANSWER" in one])
    assert {floor.kinds["agent.missed"] for floor in floors.values()} == {missed}


def test_a_call_overflows_into_a_second_queue(asterisk: Asterisk, scenario: Scenario) -> None:
    """The call is moved on in the first queue and handled in the second. A pause has its reason."""
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
    """A call that leaves by a key is moved on, no matter when the caller then hangs up."""
    asterisk.pause(BOB, "BREAK")
    asterisk.caller("keyexit")
    asterisk.await_line("ENTERQUEUE")
    # A digit is lost if the queue does not listen yet.
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
    """Neither source reports a caller whom the queue refuses."""
    call = asterisk.caller("empty")
    wait_until(lambda: call.stage is Stage.OVER, lambda: call.stage)
    with asterisk.agent(1):  # by then, any report of the caller has arrived
        other = asterisk.caller("sales")
        asterisk.await_line("CONNECT")
        other.hang_up()
        scenario.await_figures({"sales": ONE_HANDLED})


def test_pauses_of_an_agent_in_two_queues(
    asterisk: Asterisk, scenario: Scenario, connectors: Connectors
) -> None:
    """An agent is not ready once paused in both queues. Another reason is another state.

    The agent's services follow the queues.
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
    """Each call counts for its own queue."""
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
    """AMI reports a hold, but the queue log does not. The figures are the same."""
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
    """The call continues with the other agent, and stays one call of its queue."""
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
    """The two agents talk first, and the caller is then put through by the telephone."""
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
    """Asterisk itself makes the second call, through a Local channel."""
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
    """The caller takes the place of the agent who waited in the queue, and ids are swapped."""
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
    """One call is handled, with or without optimization of the Local channel."""
    with asterisk.agent(1):
        call = asterisk.caller(queue)
        asterisk.await_line("CONNECT")
        call.hang_up()
        scenario.await_figures({queue: ONE_HANDLED})


@pytest.mark.parametrize("target", ["82", "92"])
def test_a_transfer_behind_a_local_channel(
    asterisk: Asterisk, scenario: Scenario, target: str
) -> None:
    """The queue still counts the call, and the bridge reports a transfer to an agent or a queue."""
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
    """The agent logs in with a call, which then carries the queue's calls."""
    with asterisk.agent(1):
        asterisk.originate(1, "login")
        asterisk.await_agent_pool(is_free=True)
        call = asterisk.caller(queue)
        asterisk.await_line("CONNECT")
        call.hang_up()
        asterisk.await_line("COMPLETECALLER")
        asterisk.command("channel request hangup all")  # otherwise the phone stays in use
        asterisk.await_agent_pool(is_free=False)
        scenario.await_figures({queue: ONE_HANDLED})


def test_the_manager_withdraws_a_caller(asterisk: Asterisk, scenario: Scenario) -> None:
    """A caller whom the manager withdraws is moved on."""
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
    """A caller is moved on to the voice mail, with the same reason from each connector."""
    asterisk.pause(BOB, "BREAK")
    asterisk.caller("tovoicemail")
    floors = scenario.await_figures({"support": ONE_MOVED_ON})
    assert [floor.reasons for floor in floors.values()] == [["TIMEOUT"]] * 3


def test_a_caller_is_redirected(asterisk: Asterisk, scenario: Scenario) -> None:
    """The log reports an abandon although the call continues, but AMI reports the redirection."""
    asterisk.pause(BOB, "BREAK")
    call = asterisk.caller("tosupport")
    asterisk.await_line("ENTERQUEUE")
    channel = asterisk.channel("PJSIP/trunk")
    asterisk.action("Redirect", Channel=channel, Context="agents", Exten="70", Priority="1")
    scenario.until(lambda floors: all(floors[name].reasons for name in ("ami", "both")))
    call.hang_up()
    scenario.await_figures({"support": ONE_MOVED_ON}, log={"support": ONE_ABANDONED})


def test_rotation_of_the_queue_log(asterisk: Asterisk, scenario: Scenario) -> None:
    """Calls before, during and after a rotation are counted."""
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
    """The connector resumes, and a call that ended meanwhile is counted once and closed."""
    with asterisk.agent(1):
        call = asterisk.caller("sales")
        # With AMI alone, a connect during the outage stays unknown.
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
    """Events wait in the spool for half a minute, even if the connector is killed."""
    for connector in connectors:
        connector.intake.stop()
        connector.kill()  # with the connection that it keeps to the server
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
            # With AMI alone, input that was read and not stored before the kill is lost.
            for one in connectors:
                wait_until(
                    lambda one=one, count=count: one.figure("unsent_events") >= 6 * count,  # type: ignore[misc]  # as above
                    one.said,
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
    """After the restart, neither a call with an agent nor a waiting call exists."""
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
    """The login needs a certificate from a trusted authority."""
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
        wait_until(lambda: Floor(one.events()).figures() == {"sales": ONE_HANDLED}, one.said)
    wait_until(lambda: "certificate verify failed" in other.said(), other.said)
    assert other.events() == []
    for connector in (one, other):
        assert connector.stop() == 0
        connector.intake.stop()
