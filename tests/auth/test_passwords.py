"""Tests that hash passwords outside the event loop, where clients and addresses take turns."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.auth.passwords import FairQueue, Hasher, Passwords
from floorcast.model.errors import Unavailable
from floorcast.site.secret_rules import MAX_PASSWORD_CHARS
from tests.auth.auth_node import CHEAP


def test_hash_parameters_meet_the_owasp_minimum() -> None:
    """The stored hash states that it uses Argon2id with 19 MiB, 2 passes and 1 lane."""
    hashed = Hasher().hash("secret")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert Hasher().verify(hashed, "secret")
    assert CHEAP.verify(hashed, "secret")


@pytest.mark.parametrize("password", ["x", "päss wörd", "\0", "\ud800", "x" * MAX_PASSWORD_CHARS])
def test_any_text_can_be_a_password(password: str) -> None:
    """Any text verifies against its own hash and against no other."""
    hashed = CHEAP.hash(password)
    assert CHEAP.verify(hashed, password)
    assert not CHEAP.verify(hashed, password + "x")
    assert not CHEAP.verify(hashed, "")
    assert CHEAP.hash(password) != hashed


@pytest.mark.parametrize("damaged", ["", "x", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$ü$ü"])
def test_a_damaged_hash_verifies_no_password(damaged: str) -> None:
    """A damaged hash verifies no password and raises no exception."""
    assert not CHEAP.verify(damaged, "secret")


def test_an_unknown_user_costs_as_much_as_a_known_one() -> None:
    """For an unknown user, one hash is verified, and the result is always false."""
    requests: list[str] = []

    class RecordingHasher(Hasher):
        def verify(self, password_hash: str, password: str) -> bool:
            requests.append(password_hash)
            super().verify(password_hash, password)
            return True

    passwords = Passwords(RecordingHasher(memory_kib=8, passes=1))
    assert asyncio.run(passwords.verify(CHEAP.hash("secret"), "secret"))
    assert not asyncio.run(passwords.verify(None, "secret"))
    assert requests[1].startswith("$argon2id$v=19$m=8,t=1,p=1$")
    passwords.close()


class GatedHasher(Hasher):
    """A hasher that waits for permission and records how many hashes run at once."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, passes=1)
        self.gate = threading.Event()
        self.gate.set()
        self.lock = threading.Lock()
        self.busy = self.most = 0
        self.begun: list[str] = []

    def hash(self, password: str) -> str:
        """Wait for permission."""
        with self.lock:
            self.begun.append(password)
            self.busy += 1
            self.most = max(self.most, self.busy)
        self.gate.wait()
        with self.lock:
            self.busy -= 1
        return super().hash(password)


def test_two_hashes_run_at_once_a_few_wait_and_the_rest_are_refused() -> None:
    """The queue is bounded, the event loop stays free, and places in the queue are reused."""
    hasher = GatedHasher()
    passwords = Passwords(hasher, waiting=3)

    async def crowd() -> list[str | BaseException]:
        hasher.gate.clear()
        requests = [asyncio.create_task(passwords.hash("x")) for _ in range(8)]
        await asyncio.wait(requests[5:])
        hasher.gate.set()
        done = await asyncio.gather(*requests, return_exceptions=True)
        await asyncio.gather(*(passwords.hash("x") for _ in range(5)))
        return done

    done = asyncio.run(crowd())
    assert [isinstance(one, Unavailable) for one in done] == [False] * 5 + [True] * 3
    assert hasher.most <= 2
    passwords.close()


def test_many_logins_of_one_client_do_not_block_another() -> None:
    """Each client and address has its own queue, so another client's login is served soon."""
    hasher = GatedHasher()
    passwords = Passwords(hasher, waiting=20)

    async def login(name: str, queue: tuple[int, str]) -> None:
        await passwords.hash(name, queue)

    async def crowd() -> None:
        hasher.gate.clear()
        hasher.begun.clear()
        requests = [asyncio.create_task(login("crowd", (1, "a"))) for _ in range(30)]
        await asyncio.wait(requests[22:])  # refused, because two are running and twenty are waiting
        requests.append(asyncio.create_task(login("neighbour", (1, "b"))))
        requests.append(asyncio.create_task(login("other client", (2, "a"))))
        await asyncio.sleep(0)
        hasher.gate.set()
        refused = await asyncio.gather(*requests, return_exceptions=True)
        assert sum(isinstance(one, Unavailable) for one in refused) == 8

    asyncio.run(crowd())
    assert {"neighbour", "other client"} <= set(hasher.begun[:6])
    assert len(hasher.begun) == 24
    passwords.close()


def test_closing_refuses_waiting_callers() -> None:
    """Waiting callers get the error that the server is stopping."""
    hasher = GatedHasher()
    passwords = Passwords(hasher)

    async def stop() -> None:
        hasher.gate.clear()
        requests = [asyncio.create_task(passwords.hash("x")) for _ in range(4)]
        await asyncio.sleep(0)
        hasher.gate.set()
        passwords.close()
        done = await asyncio.gather(*requests, return_exceptions=True)
        assert [isinstance(one, Unavailable) for one in done[2:]] == [True, True]

    asyncio.run(stop())


def test_cancelled_requests_count_until_their_thread_is_done() -> None:
    """If requests are cancelled, there are still never more hashes at once than threads."""
    hasher = GatedHasher()
    passwords = Passwords(hasher, waiting=0)

    async def give_up() -> None:
        hasher.gate.clear()
        requests = [asyncio.create_task(passwords.hash("x")) for _ in range(2)]
        await asyncio.sleep(0)
        for task in requests:
            task.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        with pytest.raises(Unavailable, match="too many logins"):
            await passwords.hash("x")
        hasher.gate.set()

    asyncio.run(give_up())
    passwords.close()


def test_a_closed_hasher_refuses_requests() -> None:
    """After closing, the error is Unavailable and not an error of the thread pool."""
    passwords = Passwords(CHEAP)
    passwords.close()
    with pytest.raises(Unavailable, match="stopping"):
        asyncio.run(passwords.hash("x"))


QUEUES = st.tuples(st.integers(1, 3), st.sampled_from("abc"))


def drained(queue: FairQueue[tuple[int, str, int]]) -> list[tuple[int, str, int]]:
    """Return all items of the queue, in the order in which it serves them."""
    found = []
    while (item := queue.pop()) is not None:
        found.append(item)
    return found


def test_clients_are_served_in_turn() -> None:
    """A client with one item waits for at most one item of each other client."""
    queue = FairQueue[tuple[int, str, int]](100)
    for number in range(50):
        queue.push((1, "a"), (1, "a", number))
    queue.push((2, "a"), (2, "a", 0))
    assert [item[0] for item in drained(queue)[:3]] == [1, 2, 1]


def test_addresses_of_a_client_are_served_in_turn() -> None:
    """One address that fills the queue does not block the client's other addresses."""
    queue = FairQueue[tuple[int, str, int]](100)
    for number in range(50):
        queue.push((1, "a"), (1, "a", number))
    queue.push((1, "b"), (1, "b", 0))
    assert [item[1] for item in drained(queue)[:3]] == ["a", "b", "a"]


def test_queue_length_is_limited_per_address_and_client() -> None:
    """Beyond the limit, an item is refused, and other addresses and clients still have room."""
    queue = FairQueue[tuple[int, str, int]](2, per_client=3)
    taken = [queue.push(one, (*one, 0)) for one in [(1, "a")] * 3 + [(1, "b")] * 2 + [(2, "a")]]
    assert taken == [True, True, False, True, False, True]
    drained(queue)
    assert queue.push((1, "a"), (1, "a", 0)), "room comes back"


@given(st.lists(QUEUES, max_size=60))
def test_each_item_is_served_once_and_in_order_for_its_address(
    pushed: list[tuple[int, str]],
) -> None:
    """No item is lost or repeated, and no waiting client gets two turns ahead of another."""
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
