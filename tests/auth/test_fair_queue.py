"""Who is served next."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from floorcast.auth.fair_queue import FairQueue

QUEUES = st.tuples(st.integers(1, 3), st.sampled_from("abc"))


def drained(queue: FairQueue[tuple[int, str, int]]) -> list[tuple[int, str, int]]:
    """Everything in it, in the order in which it is served."""
    found = []
    while (item := queue.pop()) is not None:
        found.append(item)
    return found


def test_clients_are_served_in_turn() -> None:
    """A client with one item waits for one of each other client, not for all of theirs."""
    queue = FairQueue[tuple[int, str, int]](100)
    for number in range(50):
        queue.push((1, "a"), (1, "a", number))
    queue.push((2, "a"), (2, "a", 0))
    assert [item[0] for item in drained(queue)[:3]] == [1, 2, 1]


def test_addresses_of_a_client_are_served_in_turn() -> None:
    """Somebody who fills the queue from one address does not keep the client's others out."""
    queue = FairQueue[tuple[int, str, int]](100)
    for number in range(50):
        queue.push((1, "a"), (1, "a", number))
    queue.push((1, "b"), (1, "b", 0))
    assert [item[1] for item in drained(queue)[:3]] == ["a", "b", "a"]


def test_an_address_and_a_client_hold_so_many_at_most() -> None:
    """Beyond that an item is not taken; another address, and another client, still has room."""
    queue = FairQueue[tuple[int, str, int]](2, per_client=3)
    taken = [queue.push(one, (*one, 0)) for one in [(1, "a")] * 3 + [(1, "b")] * 2 + [(2, "a")]]
    assert taken == [True, True, False, True, False, True]
    drained(queue)
    assert queue.push((1, "a"), (1, "a", 0)), "room comes back"


@given(st.lists(QUEUES, max_size=60))
def test_each_item_is_served_once_and_in_order_for_its_address(
    pushed: list[tuple[int, str]],
) -> None:
    """Nothing is lost or doubled, and no client is ahead of another that waits by more than one."""
    queue = FairQueue[tuple[int, str, int]](100)
    items = [(*one, number) for number, one in enumerate(pushed)]
    for item in items:
        assert queue.push(item[:2], item)
    served = drained(queue)
    assert sorted(served) == sorted(items)
    left = Counter(item[0] for item in items)
    turns: Counter[int] = Counter()
    for at, item in enumerate(served):
        same = [one for one in served[:at] if one[:2] == item[:2]]
        assert all(one[2] < item[2] for one in same)
        turns[item[0]] += 1
        waiting = [turns[client] for client in left if turns[client] < left[client]]
        assert not waiting or turns[item[0]] - min(waiting) <= 1
