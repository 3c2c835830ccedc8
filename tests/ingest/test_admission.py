"""How many requests with events are taken in at once, and of whom."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from floorcast.ingest.admission import Admission, AdmittedRequest, Busy

ACME, OTHER, THIRD = 47415, 4199, 5


def test_no_client_has_more_than_half_of_the_places() -> None:
    """Its next request is turned away at once; another client's is not."""
    admission = Admission(4)
    with admission.admit(ACME), admission.admit(ACME):
        with pytest.raises(Busy, match="send this again"), admission.admit(ACME):
            pass
        with admission.admit(OTHER):
            assert admission.requests == 3
    with admission.admit(ACME):
        assert admission.requests == 1


def test_a_place_is_free_again_however_its_request_ends() -> None:
    """Bytes included."""
    admission = Admission(2, most=1000)
    with pytest.raises(Busy), admission.admit(ACME) as place:
        place.hold(501)
    assert (admission.requests, admission.size) == (0, 0)


def test_unfinished_uploads_of_one_client_leave_room_for_the_others() -> None:
    """A body takes what has come of it, whatever it says of itself."""
    admission = Admission(1000, most=1000)
    with ExitStack() as uploads:
        for _ in range(500):
            uploads.enter_context(admission.admit(ACME)).hold(1)
        with admission.admit(OTHER) as place:
            place.hold(500)
        with pytest.raises(Busy), admission.admit(ACME):
            pass
    with admission.admit(ACME) as place:
        place.hold(500)
        with pytest.raises(Busy):
            place.hold(1)


def test_nothing_is_admitted_while_the_projections_lag_behind() -> None:
    """Their backlog is in memory."""
    pressed = True
    admission = Admission(2, lambda: pressed)
    with pytest.raises(Busy), admission.admit(ACME):
        pass
    assert admission.requests == 0
    pressed = False
    with admission.admit(ACME):
        assert admission.requests == 1


class AdmissionModel(RuleBasedStateMachine):
    """Requests begin, grow and end in any order; the sums are those of the open ones."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(6, most=100)
        self.open: list[tuple[int, AdmittedRequest, ExitStack]] = []

    @rule(client=st.sampled_from([ACME, OTHER, THIRD]))
    def begin(self, client: int) -> None:
        mine = sum(owner == client for owner, _, _ in self.open)
        stack = ExitStack()
        try:
            place = stack.enter_context(self.admission.admit(client))
        except Busy:
            assert len(self.open) == 6 or mine == 3
        else:
            assert mine < 3
            self.open.append((client, place, stack))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), size=st.integers(0, 60))
    def grow(self, data: st.DataObject, size: int) -> None:
        client, place, _ = data.draw(st.sampled_from(self.open))
        mine = sum(one.size for owner, one, _ in self.open if owner == client)
        everything = sum(one.size for _, one, _ in self.open)
        if mine + size <= 50 and everything + size <= 100:
            place.hold(size)
        else:
            with pytest.raises(Busy):
                place.hold(size)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.open) - 1))
        self.open.pop(index)[2].close()

    @invariant()
    def the_sums_are_right(self) -> None:
        assert self.admission.requests == len(self.open)
        assert self.admission.size == sum(place.size for _, place, _ in self.open)


TestAdmission = AdmissionModel.TestCase
