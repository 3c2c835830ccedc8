"""Tests of whether a stream's leader reaches most replicas."""

from __future__ import annotations

import pytest

from floorcast.cluster.quorum import SILENT_NS, has_quorum

LIVE, SILENT, OFFLINE = {"active": 0}, {"active": SILENT_NS}, {"offline": True}


@pytest.mark.parametrize(
    ("leader", "replicas", "expected"),
    [
        ("a", [], True),
        ("a", [LIVE, LIVE], True),
        ("a", [LIVE, SILENT], True),
        ("a", [SILENT, OFFLINE], False),
        ("a", [SILENT], False),
        ("", [LIVE, LIVE], False),
    ],
)
def test_a_majority_includes_the_leader(
    leader: str, replicas: list[dict[str, object]], *, expected: bool
) -> None:
    """A replica that is offline, or from which the leader has not heard, does not count."""
    assert has_quorum({"cluster": {"leader": leader, "replicas": replicas}}) is expected


def test_a_missing_state_has_no_quorum() -> None:
    """A stream that cannot be seen counts as without a quorum."""
    assert not has_quorum({})
