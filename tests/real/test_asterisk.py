"""A real Asterisk with real calls, connected by AMI, by its queue log, and by both at once.

Each scenario is played once before all three connectors; what they sent must agree with what a
person who reads the log would say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.connectors.pbx.figures import Figures, Floor
from tests.real.asterisk import Asterisk, Connector, tree, wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # the first builds an Asterisk


@pytest.fixture(scope="module")
def asterisk() -> Iterator[Asterisk]:
    """One that is at work."""
    with tree() as root:
        one = Asterisk(root)
        one.start()
        try:
            yield one
        finally:
            one.stop()


@pytest.fixture(scope="module")
def ways(asterisk: Asterisk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Connector]]:
    """By AMI alone, by the queue log alone, by both."""
    folder: Path = tmp_path_factory.mktemp("connect")
    log = asterisk.queue_log
    made = [
        Connector("ami", folder, None, ami=True),
        Connector("log", folder, log, ami=False),
        Connector("both", folder, log, ami=True),
    ]
    for one in made:
        one.start()
    for one in made:
        if one.name != "log":
            wait_until(lambda one=one: len(one.events()) >= 4, one.said)  # type: ignore[misc]  # a loop variable as a default
    yield made
    codes = [one.stop() for one in made]
    for one in made:
        one.intake.stop()
    assert codes == [0, 0, 0]


Play = Callable[..., dict[str, Floor]]


@pytest.fixture
def play(asterisk: Asterisk, ways: list[Connector]) -> Play:
    """Wait until all three have said the same about a scenario, and nothing is left open."""
    began = {one.name: len(one.events()) for one in ways}

    def after(expected: dict[str, Figures]) -> dict[str, Floor]:
        def floors() -> dict[str, Floor]:
            return {one.name: Floor(one.events()[began[one.name] :]) for one in ways}

        def is_there() -> bool:
            return all(
                floor.figures() == expected and not floor.open for floor in floors().values()
            )

        def what() -> object:
            return "\n".join(
                f"{name}: {floor.figures()} open {floor.open}\n{floor.states}"
                for name, floor in floors().items()
            ) + "".join(one.said()[-2000:] for one in ways)

        wait_until(is_there, what)
        return floors()

    return after


def test_the_caller_hangs_up(asterisk: Asterisk, play: Play) -> None:
    """Offered, handled; the agent is reserved, in call, and ready again."""
    with asterisk.agent(1):
        assert asterisk.caller("sales", 2).wait(20) == 0
        floors = play({"sales": Figures(1, 1, 0, 0)})
    states = ["RESERVED", "IN_CALL", "WRAP_UP", "READY"]
    assert floors["ami"].states == floors["both"].states == {"Anna Sales": states}
    assert floors["log"].states["Anna Sales"][-3:] == states[1:]


def test_the_agent_hangs_up(asterisk: Asterisk, play: Play) -> None:
    """The same figures."""
    with asterisk.agent(2, "agent-hangs-up"):
        asterisk.caller("tovoicemail", 20)
        play({"support": Figures(1, 1, 0, 0)})


def test_the_caller_gives_up(asterisk: Asterisk, play: Play) -> None:
    """Abandoned, after an agent's phone rang in vain."""
    with asterisk.agent(1, "agent-rings"):
        asterisk.caller("sales", 4).wait(20)
        floors = play({"sales": Figures(1, 0, 1, 0)})
    assert [floor.kinds["agent.missed"] for floor in floors.values()] == [1, 1, 1]


def test_a_call_overflows_into_a_second_queue(asterisk: Asterisk, play: Play) -> None:
    """Moved on in the first, handled in the second; a pause has its reason."""
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="true", Reason="LUNCH")
    with asterisk.agent(1):
        asterisk.caller("overflow", 7).wait(30)
        asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="false")
        want = {"support": Figures(1, 0, 0, 1), "sales": Figures(1, 1, 0, 0)}
        states = ["NOT_READY LUNCH", "READY"]
        wait_until(
            lambda: all(one.states.get("Bob Support") == states for one in play(want).values()),
            lambda: {name: one.states for name, one in play(want).items()},
        )
        floors = play(want)
    assert [floor.kinds["call.leave"] for floor in floors.values()] == [1, 1, 1]


def test_a_call_that_leaves_for_a_menu(asterisk: Asterisk, play: Play) -> None:
    """By a key: moved on, whenever the caller then hangs up."""
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="true", Reason="BREAK")
    asterisk.caller("keyexit", 6)
    asterisk.await_caller_in("support")
    asterisk.action("PlayDTMF", Channel=asterisk.channel("PJSIP/trunk"), Digit="1", Receive="true")
    play({"support": Figures(1, 0, 0, 1)})
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="false")


def test_a_refused_entry_leaves_no_trace(asterisk: Asterisk, play: Play) -> None:
    """Neither channel says anything of it."""
    asterisk.caller("empty", 1).wait(20)
    play({})


def test_pauses_of_an_agent_in_two_queues(asterisk: Asterisk, play: Play) -> None:
    """Not ready once paused in both; another reason is another state; services follow."""
    asterisk.action("QueueAdd", Queue="sales", Interface="PJSIP/agent2", MemberName="Bob Support")
    for reason in ("BREAK", "MEETING"):
        asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="true", Reason=reason)
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="false")
    asterisk.action("QueueRemove", Queue="sales", Interface="PJSIP/agent2")
    for name in ("ami", "both", "log"):
        want = ["NOT_READY BREAK", "NOT_READY MEETING", "READY"]

        def is_told(name: str = name, want: list[str] = want) -> bool:
            told = play({})[name].states.get("Bob Support", [])
            rest = iter(told)
            return all(one in rest for one in want)

        wait_until(is_told, lambda: play({}))


def test_hold_and_resume(asterisk: Asterisk, play: Play) -> None:
    """AMI tells it, the queue log does not; the figures are the same."""
    with asterisk.agent(1, "agent-holds"):
        asterisk.caller("sales", 8).wait(30)
        floors = play({"sales": Figures(1, 1, 0, 0)})
    for name in ("ami", "both"):
        told = floors[name].states["Anna Sales"]
        assert told[1:4] == ["IN_CALL", "AGENT_HOLD", "AGENT_RESUMED"], told


def test_a_blind_transfer_into_a_queue(asterisk: Asterisk, play: Play) -> None:
    """One call, which its caller gives up the third time round: handled, once."""
    with asterisk.agent(2, "agent-refers"):
        asterisk.caller("tovoicemail", 9).wait(30)
        floors = play({"support": Figures(1, 1, 0, 0)})
    assert all(floor.kinds["call.start"] == 1 for floor in floors.values())


@pytest.mark.parametrize("queue", ["local", "localn"])
def test_a_member_behind_a_local_channel(asterisk: Asterisk, play: Play, queue: str) -> None:
    """Optimised away, or not: one call, handled."""
    with asterisk.agent(1):
        asterisk.caller(queue, 3).wait(30)
        play({queue: Figures(1, 1, 0, 0)})


def test_an_agent_of_a_pool(asterisk: Asterisk, play: Play) -> None:
    """Logged in by a call of the agent's own, which carries the calls of the queue."""
    with asterisk.agent(1):
        asterisk.originate(1, "login")
        wait_until(
            lambda: "NOT_INUSE" in asterisk.command("agent show all"),
            lambda: asterisk.command("agent show all"),
        )
        asterisk.caller("pool", 3).wait(30)
        play({"pool": Figures(1, 1, 0, 0)})
        asterisk.command("channel request hangup all")  # or the phone stays in use
        wait_until(
            lambda: "NOT_INUSE" not in asterisk.command("agent show all"),
            lambda: asterisk.command("agent show all"),
        )


def test_a_caller_who_is_withdrawn(asterisk: Asterisk, play: Play) -> None:
    """By the manager: moved on."""
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="true", Reason="BREAK")
    asterisk.caller("tovoicemail", 4)
    asterisk.await_caller_in("support")
    channel = asterisk.channel("PJSIP/trunk")
    asterisk.action("QueueWithdrawCaller", Queue="support", Caller=channel, WithdrawInfo="sorry")
    floors = play({"support": Figures(1, 0, 0, 1)})
    assert [floor.reasons for floor in floors.values()] == [["WITHDRAWN"]] * 3
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="false")


def test_a_caller_who_waited_too_long(asterisk: Asterisk, play: Play) -> None:
    """On to the voice mail: the reason is the same by all ways."""
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="true", Reason="BREAK")
    asterisk.caller("tovoicemail", 7)
    floors = play({"support": Figures(1, 0, 0, 1)})
    assert [floor.reasons for floor in floors.values()] == [["TIMEOUT"]] * 3
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="false")


def test_a_caller_who_is_redirected(asterisk: Asterisk, play: Play, ways: list[Connector]) -> None:
    """The log calls it an abandon, though the call goes on; AMI knows better."""
    began = {one.name: len(one.events()) for one in ways}
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="true", Reason="BREAK")
    asterisk.caller("tovoicemail", 8)
    asterisk.await_caller_in("support")
    channel = asterisk.channel("PJSIP/trunk")
    asterisk.action("Redirect", Channel=channel, Context="keys", Exten="1", Priority="1")

    def floor(one: Connector) -> Floor:
        return Floor(one.events()[began[one.name] :])

    moved = {"support": Figures(1, 0, 0, 1)}
    by_name = {one.name: one for one in ways}
    for name in ("ami", "both"):
        wait_until(
            lambda one=by_name[name]: floor(one).figures() == moved and not floor(one).open,  # type: ignore[misc]  # as above
            by_name[name].said,
        )
    wait_until(
        lambda: floor(by_name["log"]).figures() == {"support": Figures(1, 0, 1, 0)},
        by_name["log"].said,
    )
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="false")


def test_rotation_of_the_queue_log(asterisk: Asterisk, play: Play) -> None:
    """Calls before, across and after it."""
    with asterisk.agent(1):
        one = asterisk.caller("sales", 3)
        asterisk.channel("PJSIP/agent1")
        asterisk.command("logger rotate")
        one.wait(20)
        asterisk.caller("sales", 6).wait(20)  # the queue gives the agent 2 s between calls
        play({"sales": Figures(2, 2, 0, 0)})


def test_the_connector_is_killed_in_mid_call(
    asterisk: Asterisk, play: Play, ways: list[Connector]
) -> None:
    """It goes on where it was; the call that ended meanwhile is counted once, and is over."""

    def in_calls() -> list[int]:
        return [
            sum(one["data"].get("eventType") == "IN_CALL" for one in way.events()) for way in ways
        ]

    before = in_calls()
    with asterisk.agent(1):
        one = asterisk.caller("sales", 5)
        # by AMI alone, nothing tells afterwards of a connect that came while it was away
        wait_until(
            lambda: all(now > then for now, then in zip(in_calls(), before, strict=True)),
            in_calls,
        )
        for way in ways:
            way.kill()
        one.wait(20)
        for way in ways:
            way.start()
        play({"sales": Figures(1, 1, 0, 0)})


def test_floorcast_is_away(asterisk: Asterisk, play: Play, ways: list[Connector]) -> None:
    """What happens meanwhile waits in the spool, through a kill of the connector, too."""
    for way in ways:
        way.intake.stop()
    with asterisk.agent(1):
        asterisk.caller("sales", 2).wait(20)
        for way in ways:
            way.kill()
            way.start()
        for way in ways:
            way.intake.start()
        play({"sales": Figures(1, 1, 0, 0)})


def test_asterisk_is_killed_with_calls_up(
    asterisk: Asterisk, play: Play, ways: list[Connector]
) -> None:
    """One call with an agent, one that waits: neither is there after the restart."""
    asterisk.action("QueuePause", Interface="PJSIP/agent2", Paused="true", Reason="BREAK")
    with asterisk.agent(1):
        asterisk.caller("sales", 30)
        asterisk.channel("PJSIP/agent1")
        asterisk.caller("tovoicemail", 30)
        asterisk.await_caller_in("support")
        asterisk.kill()
        asterisk.start()
        play({"sales": Figures(1, 1, 0, 0), "support": Figures(1, 0, 1, 0)})
