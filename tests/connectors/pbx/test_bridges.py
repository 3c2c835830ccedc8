"""Tests of channels that are bridged together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.connectors.pbx.bridges import MAX_REACHABLE, Bridges, interface_of

TRUNK, NEAR, FAR, PHONE = "1.0", "1.1", "1.2", "1.3"
BEHIND = (
    (TRUNK, "PJSIP/trunk-00000000", "one"),
    (NEAR, "Local/9@agents-00000000;1", "one"),
    (FAR, "Local/9@agents-00000000;2", "two"),
    (PHONE, "PJSIP/anna-00000001", "two"),
)


def test_a_phone_behind_a_local_channel_is_found() -> None:
    """A telephone is found behind a Local channel, whether the channel is new or existed before."""
    seen = Bridges()
    for channel, name, bridge in BEHIND:
        seen.enter(bridge, channel, name)
    seen.pair(NEAR, FAR)
    for bridges in (seen, Bridges(BEHIND)):
        assert bridges.reachable_from(TRUNK) == [TRUNK, NEAR, FAR, PHONE]
        assert bridges.interface(PHONE) == "PJSIP/anna"
        bridges.remove(NEAR)
        assert bridges.reachable_from(TRUNK) == [TRUNK]
        assert bridges.reachable_from(PHONE) == [PHONE, FAR]


def test_half_of_a_local_channel_is_not_a_phone() -> None:
    """The interface of a member ``Local/9@agents`` is a prefix of its halves' names."""
    assert interface_of("Local/9@agents-00000000;1") == ""
    assert interface_of("PJSIP/a-b-0000002a") == "PJSIP/a-b"


def test_a_late_leave_of_a_bridge_is_ignored() -> None:
    """A late leave has no effect, because the channel is already in another bridge."""
    bridges = Bridges()
    bridges.enter("one", TRUNK, "")
    bridges.enter("two", TRUNK, "")
    bridges.enter("two", PHONE, "")
    bridges.leave("one", TRUNK)
    assert bridges.reachable_from(TRUNK) == [TRUNK, PHONE]


def test_the_search_of_a_large_conference_is_bounded() -> None:
    """A conference is searched only in part, because it is not a transfer and may be large."""
    bridges = Bridges((f"{n}.0", "", "room") for n in range(10 * MAX_REACHABLE))
    assert len(bridges.reachable_from("0.0")) == MAX_REACHABLE


CHANNELS, BRIDGES = st.sampled_from("abcd"), st.sampled_from("xyz")
STEPS = st.one_of(
    st.tuples(st.just("enter"), BRIDGES, CHANNELS),
    st.tuples(st.just("leave"), BRIDGES, CHANNELS),
    st.tuples(st.just("gone"), BRIDGES, CHANNELS),
)


@given(st.lists(STEPS))
def test_reachable_channels_match_a_reference_model(
    steps: list[tuple[str, str, str]],
) -> None:
    """The reachable channels are those that share a bridge in a simple table."""
    bridges, where = Bridges(), dict[str, str]()
    for step, bridge, channel in steps:
        match step:
            case "enter":
                bridges.enter(bridge, channel, channel)
                where[channel] = bridge
            case "leave":
                bridges.leave(bridge, channel)
                if where.get(channel) == bridge:
                    del where[channel]
            case _:
                bridges.remove(channel)
                where.pop(channel, None)
    for one in "abcd":
        together = {other for other in where if where[other] == where.get(one)}
        assert set(bridges.reachable_from(one)) == together | {one}
