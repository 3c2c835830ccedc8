"""Sessions from login to expiry, across restarts and changes of the site."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from floorcast.auth.keys import KeyGuesses, Keys
from floorcast.auth.session import Session
from floorcast.auth.sessions import LAG, LIFETIME, TRIES, WRITTEN
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Conflict, Item
from floorcast.model.errors import (
    BadCredentials,
    BadSession,
    InvalidParameter,
    MissingParameter,
    Unavailable,
)
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.site.configuration import ScreenKey
from floorcast.site.digests import digest
from floorcast.site.edits import add_screen_key, remove_user, revoke_key, set_password
from tests.auth.door import CHEAP, Clock, Door, closed, mended
from tests.search import tries
from tests.site.sites import SMALL, applied, run, small

HOUR = 3600


async def login(door: Door, user: str = "reports", token: str = "test-token-of-acme-01") -> Session:
    """Log in a user of the small site."""
    passwords = {"reports": "correct horse", "north": "battery staple"}
    return await door.sessions.login("ACME", user, passwords[user], token)


def lives(door: Door, session: Session) -> bool:
    """Return whether a request with the session would be accepted, without using it."""
    used = session.last_used
    try:
        found = door.sessions.find(session.id)
    except BadSession:
        return False
    found.last_used = used
    return True


def test_a_login_gives_what_the_user_may_see() -> None:
    """The session has an id, client, user, role, visible clients and, if limited, call centers."""
    door = Door()
    reports, north = run(login(door)), run(login(door, "north"))
    assert (reports.client, reports.user, reports.name, reports.role) == (
        1,
        301,
        "reports",
        "Sysadmin",
    )
    assert (reports.clients_seen, reports.call_centers) == ((1, 2), None)
    assert (north.role, north.call_centers) == ("Manager", frozenset({(1, 11)}))
    assert door.sessions.find(reports.id) is reports
    assert len(door.sessions) == 2


def test_an_agent_logs_in_apart() -> None:
    """The agent logs in with its own login, has the role Agent, and sees only its own client."""
    door = Door()
    session = run(
        door.sessions.login("ACME", "ANN", "ann's own secret", "test-token-of-acme-01", agent=True)
    )
    assert (session.user, session.role, session.agent) == (201, "Agent", True)
    assert session.clients_seen == (1,)
    with pytest.raises(BadCredentials):
        run(door.sessions.login("ACME", "ANN", "ann's own secret", "test-token-of-acme-01"))


def test_an_id_cannot_be_guessed() -> None:
    """An id has 122 random bits, in the format of the reference."""
    session = run(login(Door()))
    assert uuid.UUID(session.id).version == 4
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", session.id)


def test_the_same_user_and_token_have_one_session() -> None:
    """Another login returns the existing session. Another token opens a new one."""
    kv = small()
    applied(
        SMALL.replace(
            '"test-token-of-acme-01"', '"test-token-of-acme-01", "test-token-of-acme-03"'
        ),
        kv,
    )
    door = Door(kv)

    async def many() -> list[Session]:
        at_once = await asyncio.gather(*(login(door) for _ in range(20)))
        return [*at_once, await login(door), await login(door, token="test-token-of-acme-03")]

    *same, other = run(many())
    assert len({session.id for session in same}) == 1
    assert other.id != same[0].id
    assert len(door.sessions) == len(kv.items("sessions")) == 2


def test_a_session_lives_while_it_is_used() -> None:
    """One request, validation or login every two hours keeps the session alive."""
    door = Door()
    session = run(login(door))
    for use in (
        lambda: door.sessions.find(session.id),
        lambda: door.sessions.validate(session.id),
        lambda: run(login(door)),
    ):
        door.clock.go(LIFETIME)
        use()
    door.clock.go(LIFETIME + 0.001)
    assert not door.sessions.validate(session.id)
    with pytest.raises(BadSession, match="unknown or has ended"):
        door.sessions.find(session.id)
    assert run(login(door)).id != session.id


@pytest.mark.parametrize("wrong", [None, ""])
def test_a_missing_session_is_told_as_that(wrong: str | None) -> None:
    """The error is 301 and names the header."""
    with pytest.raises(BadSession, match="LV-Session is required"):
        Door().sessions.find(wrong)


@pytest.mark.parametrize("wrong", ["x", "\udc80", "a" * 10_000, str(uuid.UUID(int=7))])
def test_an_unknown_session_is_none(wrong: str) -> None:
    """Any unknown value is refused."""
    door = Door()
    assert not door.sessions.validate(wrong)
    assert not run(door.sessions.logout(wrong))
    with pytest.raises(BadSession):
        door.sessions.find(wrong)


def test_a_logout_ends_the_session_for_good() -> None:
    """The session ends at once and stays ended after a restart.

    The next login opens another session, and a second logout finds none.
    """
    door = Door()
    session = run(login(door))
    assert run(door.sessions.logout(session.id))
    assert not run(door.sessions.logout(session.id))
    assert not door.sessions.validate(session.id)
    again = door.restarted()
    assert not again.sessions.validate(session.id)
    assert run(login(again)).id != session.id


def test_a_session_survives_a_crash() -> None:
    """The session is on disk before its id is returned, and the user's next login finds it."""
    door = Door()
    session = run(login(door))
    again = door.restarted()
    assert again.sessions.find(session.id).clients_seen == (1, 2)
    assert run(login(again)).id == session.id


def test_the_lag_of_what_is_written_counts_for_the_session() -> None:
    """With a save every 15 s and a crash at any time, a session in use survives."""
    for crash_after in range(0, 180, 7):
        door = Door()
        session = run(login(door))
        for _ in range(0, crash_after, 5):
            door.clock.go(5)
            door.sessions.find(session.id)
            if (door.clock.ticks // 10**7) % 15 == 0:
                run(door.sessions.keep())
        door.clock.go(LIFETIME)
        assert door.restarted().sessions.validate(session.id)


def test_restarts_do_not_make_an_unused_session_younger() -> None:
    """The session is extended only once for unwritten use, however often the server restarts."""
    door = Door()
    session = run(login(door))
    for _ in range(200):
        door.clock.go(60)
        door = door.restarted()
        run(door.sessions.keep())
    assert not door.sessions.validate(session.id)


def test_use_is_written_once_a_minute_at_most() -> None:
    """A session in constant use costs one write per minute. An unused one costs none."""
    door = Door()
    session = run(login(door))
    before = door.kv.version("sessions")
    for _ in range(605):
        door.clock.go(1)
        door.sessions.find(session.id)
        run(door.sessions.keep())
    assert door.kv.version("sessions") - before == 10
    for _ in range(10):
        door.clock.go(60)
        run(door.sessions.keep())
    assert door.kv.version("sessions") - before == 11


def test_many_sessions_are_written_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of a write does not grow with the number of sessions, and no session is omitted."""
    monkeypatch.setattr("floorcast.auth.sessions.SESSIONS_PER_WRITE", 2)
    kv = small()
    tokens = [f"test-token-of-acme-1{number}" for number in range(5)]
    applied(
        SMALL.replace('"test-token-of-acme-01"', ", ".join(f'"{token}"' for token in tokens)), kv
    )
    door = Door(kv)
    sessions = [run(login(door, user, token)) for user in ("reports", "north") for token in tokens]
    door.clock.go(HOUR)
    for session in sessions:
        door.sessions.find(session.id)
    before = kv.version("sessions")
    run(door.sessions.close())
    assert kv.version("sessions") - before == 5
    door.clock.go(1.5 * HOUR)
    again = door.restarted()
    assert all(again.sessions.validate(session.id) for session in sessions)


def test_what_has_ended_leaves_the_disk() -> None:
    """Expired sessions are deleted even if no request uses them."""
    door = Door()
    run(login(door))
    door.clock.go(LIFETIME + 1)
    run(door.sessions.keep())
    assert len(door.sessions) == 0
    assert not door.kv.items("sessions")


def test_no_store_holds_an_id() -> None:
    """The store holds neither an id nor anything else that is accepted as one.

    After a restart, ids still work.
    """
    door = Door()
    session = run(login(door))
    door.clock.go(WRITTEN)
    door.sessions.find(session.id)
    run(door.sessions.keep())
    (raw,) = door.kv.items("sessions").values()
    assert session.id.encode() not in raw
    again = door.restarted()
    assert not any(again.sessions.validate(part) for part in re.findall(r"[\w:-]+", raw.decode()))
    assert run(login(again)).id == session.id


def test_sessions_of_an_earlier_release_live_on_and_are_hashed() -> None:
    """Old stores hold the ids. The first save hashes them, and the ids still work."""
    door = Door()
    session = run(login(door))
    old = msgspec.json.decode(door.kv.items("sessions")[session.key])
    old |= {"id": "6fa459ea-ee8a-4ca4-894e-db77e160355e"}
    del old["nonce"]
    run(door.kv.write([Item("sessions", session.key, msgspec.json.encode(old))]))
    door = door.restarted()
    assert run(login(door)).id == old["id"]
    run(door.sessions.keep())
    assert old["id"].encode() not in door.kv.items("sessions")[session.key]
    door = door.restarted()
    assert door.sessions.validate(old["id"])
    # Nobody has the id before it is returned, so a login opens another session.
    door = door.restarted()
    assert run(login(door)).id != old["id"]
    assert not door.sessions.validate(old["id"])


class Contested(MemoryKeyValueStore):
    """A store in which other nodes open and end the same session, ``times`` times."""

    times = 0

    async def write(self, items: Iterable[Item], seen: Iterable[Item] = ()) -> None:
        """Refuse the write of a session the first ``times`` times."""
        changes = list(items)
        if self.times and changes[0].bucket == "sessions":
            self.times -= 1
            raise Conflict("another node was first")
        await super().write(changes, seen)


def test_a_login_that_succeeds_at_its_last_try_has_succeeded() -> None:
    """Nine of ten attempts can fail. After ten, the login is refused and can be retried."""
    kv = Contested()
    applied(SMALL, kv)
    door = Door(kv)
    kv.times = TRIES
    with pytest.raises(Unavailable, match="on many nodes at once"):
        run(login(door))
    kv.times = TRIES - 1
    assert lives(door, run(login(door)))


def test_a_damaged_session_is_nobodys_and_goes() -> None:
    """Damage on disk affects that session only, and the server starts."""
    door = Door()
    session = run(login(door))
    run(door.kv.write([Item("sessions", session.key, b"{")]))
    again = door.restarted()
    assert not again.sessions.validate(session.id)
    run(again.sessions.keep())
    assert not door.kv.items("sessions")


def test_changing_the_password_ends_the_users_sessions() -> None:
    """All of the user's sessions end at once and for good. Only the new password works."""
    door = Door()
    session, other = run(login(door)), run(login(door, "north"))
    run(
        door.sessions.change_password(
            "ACME", "reports", "correct horse", "a new secret", "test-token-of-acme-01"
        )
    )
    assert not lives(door, session)
    assert lives(door, other)
    assert not door.restarted().sessions.validate(session.id)
    door = Door(door.kv, door.clock)
    with pytest.raises(BadCredentials):
        run(login(door))
    assert (
        run(door.sessions.login("ACME", "reports", "a new secret", "test-token-of-acme-01")).id
        != session.id
    )


@pytest.mark.parametrize(
    ("new", "error"),
    [
        ("", MissingParameter),
        (" ", MissingParameter),
        ("eleven char", InvalidParameter),
        ("x" * 1025, InvalidParameter),
        ("correct horse", InvalidParameter),
    ],
)
def test_a_new_password_is_long_and_new(new: str, error: type[Exception]) -> None:
    """A password has 12 to 1,024 characters and differs from the old one.

    Errors name the member.
    """
    door = Door()
    session = run(login(door))
    with pytest.raises(error, match="newPassword"):
        run(
            door.sessions.change_password(
                "ACME", "reports", "correct horse", new, "test-token-of-acme-01"
            )
        )
    assert lives(door, session)


def test_a_new_password_is_not_the_users_name() -> None:
    """The name is refused in any case."""
    kv = MemoryKeyValueStore()
    applied(SMALL.replace('"reports"', '"The Reporter"'), kv)
    door = Door(kv)
    change = door.sessions.change_password(
        "ACME", "The Reporter", "correct horse", "the reporter", "test-token-of-acme-01"
    )
    with pytest.raises(InvalidParameter, match="newPassword must not be the user's name"):
        run(change)


def test_the_old_password_must_be_right_to_change_it() -> None:
    """Guesses of the old password are slowed down as in a login."""
    door = Door()
    with pytest.raises(BadCredentials):
        run(
            door.sessions.change_password(
                "ACME", "reports", "wrong", "a new secret", "test-token-of-acme-01"
            )
        )


def test_an_agent_can_change_its_password() -> None:
    """A user with the same name is not affected."""
    door = Door()
    run(
        door.sessions.change_password(
            "ACME", "ANN", "ann's own secret", "a new secret", "test-token-of-acme-01", agent=True
        )
    )
    session = run(
        door.sessions.login("ACME", "ANN", "a new secret", "test-token-of-acme-01", agent=True)
    )
    assert lives(door, session)


def test_what_the_site_takes_away_ends_sessions() -> None:
    """Removing the user, the password, the token or the client ends sessions at once."""
    for how in range(5):
        kv = small()
        door = Door(kv)
        session, other = run(login(door)), run(login(door, "north"))
        if how == 0:
            run(remove_user(kv, 1, "reports"))
        elif how == 1:
            run(set_password(kv, 1, "reports", CHEAP.hash("correct horse")))
        elif how == 2:
            run(revoke_key(kv, 1, digest("test-token-of-acme-01")))
        elif how == 3:
            applied(SMALL.replace("correct horse", "a new secret"), kv)
        else:
            applied("", kv)
        assert lives(door, session)
        run(door.site.refresh())
        assert not lives(door, session)
        assert lives(door, other) is (how in {0, 1, 3})


def test_what_the_site_grants_counts_from_the_next_request_on() -> None:
    """A new role, other call centers or another child client apply to the existing session."""
    kv = small()
    door = Door(kv)
    session = run(login(door, "north"))
    text = SMALL.replace('role = "Manager", call_centers = [11]', 'role = "Auditor"')
    applied(text.replace("parent = 1", ""), kv)
    door.site.reload()
    found = door.sessions.find(session.id)
    assert (found.role, found.call_centers, found.clients_seen) == ("Auditor", None, (1,))


def test_a_session_from_before_the_change_does_not_come_back_with_a_restart() -> None:
    """Sessions read from disk are checked against the current site."""
    door = Door()
    session = run(login(door))
    applied(SMALL.replace("correct horse", "a new secret"), door.kv)
    assert not door.restarted().sessions.validate(session.id)


def test_a_disk_that_fails_opens_no_session_and_loses_none() -> None:
    """Logins raise Unavailable. Failed writes are repeated later."""
    kv = small()
    door = Door(kv)
    session = run(login(door))
    door.clock.go(HOUR)
    door.sessions.find(session.id)
    closed(kv)
    with pytest.raises(Unavailable):
        run(login(door, "north"))
    for write in (door.sessions.close, door.sessions.keep, door.sessions.keep):
        with pytest.raises(Unavailable):
            run(write())
    mended(kv)
    assert len(door.sessions) == 1
    run(door.sessions.keep())
    door.clock.go(1.5 * HOUR)
    assert door.restarted().sessions.validate(session.id)


def test_two_nodes_that_open_at_once_open_one_session() -> None:
    """The second login gets the session of the first. A third node knows it, too."""
    kv, clock = small(), Clock()
    doors = [Door(kv, clock, shared=True) for _ in range(3)]

    async def at_once() -> list[Session]:
        return await asyncio.gather(*(login(door) for door in doors[:2] * 5))

    sessions = run(at_once())
    assert len({session.id for session in sessions}) == 1
    assert doors[2].sessions.validate(sessions[0].id)
    assert run(doors[2].sessions.logout(sessions[0].id))
    assert not any(door.sessions.validate(sessions[0].id) for door in doors)


def test_nodes_write_a_use_once_between_them() -> None:
    """A session in use on all nodes costs one write per minute in total."""
    kv, clock = small(), Clock()
    doors = [Door(kv, clock, shared=True) for _ in range(3)]
    session = run(login(doors[0]))
    before = kv.version("sessions")
    for second in range(600):
        clock.go(1)
        for number, door in enumerate(doors):
            assert door.sessions.validate(session.id)
            if second % 12 == 4 * number:
                run(door.sessions.keep())
    assert 8 <= kv.version("sessions") - before <= 10


def test_a_use_that_was_not_written_yet_outlives_the_other_nodes_view() -> None:
    """No node ends a session that another node uses. A logout ends it on all nodes."""
    kv, clock = small(), Clock()
    one, two = (Door(kv, clock, shared=True) for _ in range(2))
    session = run(login(one))
    clock.go(50)
    one.sessions.find(session.id)  # unknown to node two
    clock.go(LIFETIME - 20)
    run(two.sessions.keep())
    assert two.sessions.validate(session.id)
    run(two.sessions.keep())
    assert one.sessions.validate(session.id)
    clock.go(1)
    one.sessions.find(session.id)
    assert run(two.sessions.logout(session.id))
    clock.go(WRITTEN)
    run(one.sessions.keep())
    assert not one.sessions.validate(session.id)
    assert not kv.items("sessions")


class History(RuleBasedStateMachine):
    """Compares any history of logins, uses, time, restarts and crashes with a simple model.

    The model has the session and the last use of each user and token. ``keep`` runs every 12 s of
    the machine's time, as in a server. Each step runs on one of the nodes, which share the
    key-value store.
    """

    nodes = 1

    def __init__(self) -> None:
        super().__init__()
        kv = small()
        applied(
            SMALL.replace(
                '"test-token-of-acme-01"', '"test-token-of-acme-01", "test-token-of-acme-03"'
            ),
            kv,
        )
        self.clock = Clock()
        self.doors = [Door(kv, self.clock, shared=self.nodes > 1) for _ in range(self.nodes)]
        self.door = self.doors[0]
        self.used: dict[tuple[str, str], tuple[str, int]] = {}
        self.ended: set[str] = set()
        # ticks by which a session may outlive the model after a restart, or on another node
        self.favour = LAG * TICKS_PER_SECOND if self.nodes > 1 else 0

    @rule(number=st.integers(0, 9))
    def go_to(self, number: int) -> None:
        """Run the following steps on another node."""
        self.door = self.doors[number % self.nodes]

    def fresh(self, key: tuple[str, str]) -> bool | None:
        """Return whether the model's session is alive; None if uncertain or there is none."""
        if key not in self.used:
            return None
        unused = self.clock.ticks - self.used[key][1]
        limit = LIFETIME * TICKS_PER_SECOND
        if limit < unused <= limit + self.favour:
            return None
        return unused <= limit

    @rule(
        user=st.sampled_from(["reports", "north"]),
        token=st.sampled_from(["test-token-of-acme-01", "test-token-of-acme-03"]),
    )
    def log_in(self, user: str, token: str) -> None:
        """A login returns the existing session or a new one."""
        alive = self.fresh((user, token))
        session = run(login(self.door, user, token)).id
        assert session not in self.ended
        if (user, token) in self.used:
            old = self.used[user, token][0]
            assert alive is None or (session == old) is alive
            if session != old:
                self.ended.add(old)
        self.used[user, token] = session, self.clock.ticks

    @precondition(lambda self: self.used)
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        """A request uses a session that may have expired."""
        key = data.draw(st.sampled_from(sorted(self.used)))
        session = self.used[key][0]
        expected, found = self.fresh(key), self.door.sessions.validate(session)
        assert expected is None or found is expected
        if found:
            self.used[key] = session, self.clock.ticks
        else:
            self.ended.add(session)
            del self.used[key]

    @precondition(lambda self: self.used)
    @rule(data=st.data())
    def log_out(self, data: st.DataObject) -> None:
        """A logout ends the session if it is alive."""
        key = data.draw(st.sampled_from(sorted(self.used)))
        expected = self.fresh(key)
        session = self.used.pop(key)[0]
        found = run(self.door.sessions.logout(session)) is not None
        assert expected is None or found is expected
        self.ended.add(session)

    @rule(seconds=st.one_of(st.integers(0, 90), st.integers(0, LIFETIME + 300)))
    def wait(self, seconds: int) -> None:
        """Let time pass, and save sessions when they are due."""
        for _ in range(min(seconds // 12, 12)):
            self.clock.go(12)
            self.keep()
        self.clock.go(seconds - 12 * min(seconds // 12, 12))
        self.keep()

    def keep(self) -> None:
        """Run the periodic work of every node."""
        for door in self.doors:
            run(door.sessions.keep())

    @rule(orderly=st.booleans())
    def restart(self, orderly: bool) -> None:
        """Stop or kill the server, and start it again."""
        if orderly:
            run(self.door.sessions.close())
        at = self.doors.index(self.door)
        self.door = self.doors[at] = self.door.restarted()
        self.favour = LAG * TICKS_PER_SECOND

    @rule(user=st.sampled_from(["reports", "north"]))
    def change_password(self, user: str) -> None:
        """Set a user's password, even to the same one, which ends its sessions."""
        hashed = CHEAP.hash({"reports": "correct horse", "north": "battery staple"}[user])
        run(set_password(self.door.kv, 1, user, hashed))
        for door in self.doors:
            run(door.site.refresh())
        for key in [key for key in self.used if key[0] == user]:
            self.ended.add(self.used.pop(key)[0])

    @invariant()
    def what_has_ended_stays_so(self) -> None:
        """Ended sessions stay ended."""
        for door in self.doors:
            assert not any(door.sessions.validate(session) for session in self.ended)

    def teardown(self) -> None:
        """Close the thread pools."""
        for door in self.doors:
            door.passwords.close()


class SharedHistory(History):
    """The same on three nodes: a session is valid on all of them, and ends on all of them."""

    nodes = 3


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=tries(40), stateful_step_count=25)

TestSharedHistory = SharedHistory.TestCase
TestSharedHistory.settings = TestHistory.settings


def test_a_screen_has_one_session_that_outlives_restarts_and_ends_with_its_key() -> None:
    """The session sees what its key selects.

    After a day switched off, the screen opens a new session.
    """
    door = Door()
    shown = {"call_centers": (11,), "services": (102,)}
    screen = ScreenKey(digest=digest("a key for a screen"), **shown)
    run(add_screen_key(door.kv, 1, screen))
    door.site.reload()
    first = run(door.sessions.open_screen(1, "a key for a screen"))
    assert (first.role, first.user, first.clients_seen) == ("Screen", 0, (1, 2))
    assert first.limits == (frozenset({11}), frozenset({102}))
    assert run(door.sessions.open_screen(1, "a key for a screen")) is first
    again = door.restarted()
    assert again.sessions.find(first.id).limits == first.limits
    assert run(again.sessions.open_screen(1, "a key for a screen")).id == first.id
    again.clock.go(24 * HOUR)
    assert not lives(again, first)
    second = run(again.sessions.open_screen(1, "a key for a screen"))
    assert second.id != first.id
    run(revoke_key(again.kv, 1, screen.digest))
    again.site.reload()
    assert not lives(again, second)


def test_a_screen_key_without_a_choice_has_no_limits() -> None:
    """The screen sees what an unlimited user sees."""
    door = Door()
    run(add_screen_key(door.kv, 1, ScreenKey(digest=digest("a key for a screen"))))
    door.site.reload()
    assert run(door.sessions.open_screen(1, "a key for a screen")).limits == (None, frozenset())


def test_a_store_that_may_be_out_of_date_lets_nobody_in() -> None:
    """Neither a session nor a key grants access until the store is current again."""
    current = [True]

    def check() -> None:
        if not current[0]:
            raise Unavailable("this node has not reached the cluster's quorum")

    kv = small()
    kv.check_current = check
    door = Door(kv)
    keys = Keys(door.site, KeyGuesses(door.clock))
    session = run(login(door))
    current[0] = False
    for refused in (
        lambda: door.sessions.find(session.id),
        lambda: door.sessions.validate(session.id),
        lambda: keys.client_of_ingest_key("ingest-key-of-acme-01"),
    ):
        with pytest.raises(Unavailable, match="quorum"):
            refused()
    current[0] = True
    assert door.sessions.find(session.id) is session
    assert keys.client_of_ingest_key("ingest-key-of-acme-01") == 1
