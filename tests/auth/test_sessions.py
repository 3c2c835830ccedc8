"""Tests of sessions from login to expiry, across restarts and site changes."""

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

from floorcast.auth.keys import KeyThrottle, KeyVerifier
from floorcast.auth.session import Session
from floorcast.auth.sessions import LIFETIME, MAX_WRITE_LAG, WRITE_INTERVAL
from floorcast.auth.unwritten_sessions import MAX_ATTEMPTS
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
from tests.auth.auth_node import CHEAP, AuthNode, Clock, fail_writes, repair
from tests.search import tries
from tests.site.sites import SMALL, apply_text, run, small_store

HOUR = 3600


async def login(
    node: AuthNode, user: str = "reports", token: str = "test-token-of-acme-01"
) -> Session:
    """Log in a user of the small site."""
    passwords = {"reports": "correct horse", "north": "battery staple"}
    return await node.sessions.login("ACME", user, passwords[user], token)


def is_valid(node: AuthNode, session: Session) -> bool:
    """Return whether a request with the session would be accepted, without using it."""
    used, used_at = session.last_used, session.used_at
    try:
        found = node.sessions.find(session.id)
    except BadSession:
        return False
    found.last_used, found.used_at = used, used_at
    return True


def test_a_login_returns_the_users_rights() -> None:
    """The session has an id, client, user, role, visible clients and, if limited, call centers."""
    node = AuthNode()
    reports, north = run(login(node)), run(login(node, "north"))
    assert (reports.client, reports.user, reports.name, reports.role) == (
        1,
        301,
        "reports",
        "Sysadmin",
    )
    assert (reports.visible_clients, reports.call_centers) == ((1, 2), None)
    assert (north.role, north.call_centers) == ("Manager", frozenset({(1, 11)}))
    assert node.sessions.find(reports.id) is reports
    assert len(node.sessions) == 2


def test_agents_and_users_log_in_separately() -> None:
    """The agent logs in with its own login, has the role Agent, and sees only its own client."""
    node = AuthNode()
    session = run(
        node.sessions.login("ACME", "ANN", "ann's own secret", "test-token-of-acme-01", agent=True)
    )
    assert (session.user, session.role, session.agent) == (201, "Agent", True)
    assert session.visible_clients == (1,)
    with pytest.raises(BadCredentials):
        run(node.sessions.login("ACME", "ANN", "ann's own secret", "test-token-of-acme-01"))


def test_an_id_cannot_be_guessed() -> None:
    """An id has 122 random bits, in the format of the reference."""
    session = run(login(AuthNode()))
    assert uuid.UUID(session.id).version == 4
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", session.id)


def test_logins_with_the_same_user_and_token_share_one_session() -> None:
    """Another login returns the existing session. Another token opens a new one."""
    kv = small_store()
    apply_text(
        SMALL.replace(
            '"test-token-of-acme-01"', '"test-token-of-acme-01", "test-token-of-acme-03"'
        ),
        kv,
    )
    node = AuthNode(kv)

    async def many() -> list[Session]:
        at_once = await asyncio.gather(*(login(node) for _ in range(20)))
        return [*at_once, await login(node), await login(node, token="test-token-of-acme-03")]

    *same, other = run(many())
    assert len({session.id for session in same}) == 1
    assert other.id != same[0].id
    assert len(node.sessions) == len(kv.items("sessions")) == 2


def test_use_keeps_a_session_alive() -> None:
    """One request, validation or login every two hours keeps the session alive."""
    node = AuthNode()
    session = run(login(node))
    for use in (
        lambda: node.sessions.find(session.id),
        lambda: node.sessions.validate(session.id),
        lambda: run(login(node)),
    ):
        node.clock.advance(LIFETIME)
        use()
    node.clock.advance(LIFETIME + 0.001)
    assert not node.sessions.validate(session.id)
    with pytest.raises(BadSession, match="unknown or has ended"):
        node.sessions.find(session.id)
    assert run(login(node)).id != session.id


def test_a_wall_clock_that_is_wrong_for_a_moment_ends_no_session() -> None:
    """A session ends after its lifetime by a clock that does not jump, whatever the wall shows."""
    wall, monotonic = Clock(), Clock()
    node = AuthNode(clock=wall, monotonic=monotonic)
    session = run(login(node))
    for hours in (3, -3, -30, 30):
        wall.advance(hours * HOUR)
        run(node.sessions.maintain())
        assert is_valid(node, session)
    monotonic.advance(LIFETIME)
    assert is_valid(node, session)
    monotonic.advance(1)
    assert not is_valid(node, session)


def test_a_use_while_the_wall_clock_is_ahead_hides_no_later_use() -> None:
    """The other nodes still learn of later uses, whose times are before the one that they know."""
    kv, wall, monotonic = small_store(), Clock(), Clock()
    one, two = (AuthNode(kv, wall, monotonic=monotonic, shared=True) for _ in range(2))
    session = run(login(one))
    wall.advance(9 * HOUR)
    one.sessions.find(session.id)
    run(one.sessions.maintain())
    wall.advance(-9 * HOUR)
    for _ in range(4 * 60):
        for clock in (wall, monotonic):
            clock.advance(60)
        one.sessions.find(session.id)
        for node in (one, two):
            run(node.sessions.maintain())
    assert two.sessions.validate(session.id)


@pytest.mark.parametrize("wrong", [None, ""])
def test_a_missing_session_has_its_own_error(wrong: str | None) -> None:
    """The error is 301 and names the header."""
    with pytest.raises(BadSession, match="LV-Session is required"):
        AuthNode().sessions.find(wrong)


@pytest.mark.parametrize("wrong", ["x", "\udc80", "a" * 10_000, str(uuid.UUID(int=7))])
def test_an_unknown_session_is_refused(wrong: str) -> None:
    """Any unknown value is refused."""
    node = AuthNode()
    assert not node.sessions.validate(wrong)
    assert not run(node.sessions.logout(wrong))
    with pytest.raises(BadSession):
        node.sessions.find(wrong)


def test_a_logout_ends_the_session_permanently() -> None:
    """The session ends at once and stays ended after a restart.

    The next login opens another session, and a second logout finds none.
    """
    node = AuthNode()
    session = run(login(node))
    assert run(node.sessions.logout(session.id))
    assert not run(node.sessions.logout(session.id))
    assert not node.sessions.validate(session.id)
    again = node.restarted()
    assert not again.sessions.validate(session.id)
    assert run(login(again)).id != session.id


def test_a_session_survives_a_crash() -> None:
    """The session is on disk before its id is returned, and the user's next login finds it."""
    node = AuthNode()
    session = run(login(node))
    again = node.restarted()
    assert again.sessions.find(session.id).visible_clients == (1, 2)
    assert run(login(again)).id == session.id


def test_a_session_in_use_survives_a_crash_between_saves() -> None:
    """With a save every 15 s and a crash at any time, a session in use survives."""
    for crash_after in range(0, 180, 7):
        node = AuthNode()
        session = run(login(node))
        for _ in range(0, crash_after, 5):
            node.clock.advance(5)
            node.sessions.find(session.id)
            if (node.clock.ticks // 10**7) % 15 == 0:
                run(node.sessions.maintain())
        node.clock.advance(LIFETIME)
        assert node.restarted().sessions.validate(session.id)


def test_restarts_do_not_keep_an_unused_session_alive() -> None:
    """The session is extended only once for unwritten use, however often the server restarts."""
    node = AuthNode()
    session = run(login(node))
    for _ in range(200):
        node.clock.advance(60)
        node = node.restarted()
        run(node.sessions.maintain())
    assert not node.sessions.validate(session.id)


def test_use_is_written_at_most_once_a_minute() -> None:
    """A session in constant use costs one write per minute. An unused one costs none."""
    node = AuthNode()
    session = run(login(node))
    before = node.kv.version("sessions")
    for _ in range(605):
        node.clock.advance(1)
        node.sessions.find(session.id)
        run(node.sessions.maintain())
    assert node.kv.version("sessions") - before == 10
    for _ in range(10):
        node.clock.advance(60)
        run(node.sessions.maintain())
    assert node.kv.version("sessions") - before == 11


def test_many_sessions_are_written_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of a write does not grow with the number of sessions, and no session is omitted."""
    monkeypatch.setattr("floorcast.auth.unwritten_sessions.SESSIONS_PER_WRITE", 2)
    kv = small_store()
    tokens = [f"test-token-of-acme-1{number}" for number in range(5)]
    apply_text(
        SMALL.replace('"test-token-of-acme-01"', ", ".join(f'"{token}"' for token in tokens)), kv
    )
    node = AuthNode(kv)
    sessions = [run(login(node, user, token)) for user in ("reports", "north") for token in tokens]
    node.clock.advance(HOUR)
    for session in sessions:
        node.sessions.find(session.id)
    before = kv.version("sessions")
    run(node.sessions.close())
    assert kv.version("sessions") - before == 5
    node.clock.advance(1.5 * HOUR)
    again = node.restarted()
    assert all(again.sessions.validate(session.id) for session in sessions)


def test_expired_sessions_are_deleted_from_disk() -> None:
    """Expired sessions are deleted even if no request uses them."""
    node = AuthNode()
    run(login(node))
    node.clock.advance(LIFETIME + 1)
    run(node.sessions.maintain())
    assert len(node.sessions) == 0
    assert not node.kv.items("sessions")


def test_session_ids_are_not_stored() -> None:
    """The store holds neither an id nor anything else that is accepted as one.

    After a restart, ids still work.
    """
    node = AuthNode()
    session = run(login(node))
    node.clock.advance(WRITE_INTERVAL)
    node.sessions.find(session.id)
    run(node.sessions.maintain())
    (raw,) = node.kv.items("sessions").values()
    assert session.id.encode() not in raw
    again = node.restarted()
    assert not any(again.sessions.validate(part) for part in re.findall(r"[\w:-]+", raw.decode()))
    assert run(login(again)).id == session.id


def test_sessions_of_an_earlier_release_stay_valid_and_are_hashed() -> None:
    """Old stores hold the ids. The first save hashes them, and the ids still work."""
    node = AuthNode()
    session = run(login(node))
    old = msgspec.json.decode(node.kv.items("sessions")[session.key])
    old |= {"id": "6fa459ea-ee8a-4ca4-894e-db77e160355e"}
    del old["nonce"]
    run(node.kv.write([Item("sessions", session.key, msgspec.json.encode(old))]))
    node = node.restarted()
    assert run(login(node)).id == old["id"]
    run(node.sessions.maintain())
    assert old["id"].encode() not in node.kv.items("sessions")[session.key]
    node = node.restarted()
    assert node.sessions.validate(old["id"])
    # Nobody has the id before it is returned, so a login opens another session.
    node = node.restarted()
    assert run(login(node)).id != old["id"]
    assert not node.sessions.validate(old["id"])


class ConflictingStore(MemoryKeyValueStore):
    """A store in which other nodes open and end the same session, ``times`` times."""

    times = 0

    async def write(self, items: Iterable[Item], seen: Iterable[Item] = ()) -> None:
        """Refuse the write of a session the first ``times`` times."""
        changes = list(items)
        if self.times and changes[0].bucket == "sessions":
            self.times -= 1
            raise Conflict("another node was first")
        await super().write(changes, seen)


def test_a_login_is_retried_after_write_conflicts() -> None:
    """Nine of ten attempts can fail. After ten, the login is refused and can be retried."""
    kv = ConflictingStore()
    apply_text(SMALL, kv)
    node = AuthNode(kv)
    kv.times = MAX_ATTEMPTS
    with pytest.raises(Unavailable, match="on many nodes at once"):
        run(login(node))
    kv.times = MAX_ATTEMPTS - 1
    assert is_valid(node, run(login(node)))


def test_a_damaged_session_is_invalid_and_deleted() -> None:
    """Damage on disk affects that session only, and the server starts."""
    node = AuthNode()
    session = run(login(node))
    run(node.kv.write([Item("sessions", session.key, b"{")]))
    again = node.restarted()
    assert not again.sessions.validate(session.id)
    run(again.sessions.maintain())
    assert not node.kv.items("sessions")


def test_changing_the_password_ends_the_users_sessions() -> None:
    """All of the user's sessions end at once and for good. Only the new password works."""
    node = AuthNode()
    session, other = run(login(node)), run(login(node, "north"))
    run(
        node.sessions.change_password(
            "ACME", "reports", "correct horse", "a new secret", "test-token-of-acme-01"
        )
    )
    assert not is_valid(node, session)
    assert is_valid(node, other)
    assert not node.restarted().sessions.validate(session.id)
    node = AuthNode(node.kv, node.clock)
    with pytest.raises(BadCredentials):
        run(login(node))
    assert (
        run(node.sessions.login("ACME", "reports", "a new secret", "test-token-of-acme-01")).id
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
def test_a_new_password_must_be_long_and_different(new: str, error: type[Exception]) -> None:
    """A password has 12 to 1,024 characters and differs from the old one.

    Errors name the member.
    """
    node = AuthNode()
    session = run(login(node))
    with pytest.raises(error, match="newPassword"):
        run(
            node.sessions.change_password(
                "ACME", "reports", "correct horse", new, "test-token-of-acme-01"
            )
        )
    assert is_valid(node, session)


def test_a_new_password_must_not_be_the_users_name() -> None:
    """The name is refused in any case."""
    kv = MemoryKeyValueStore()
    apply_text(SMALL.replace('"reports"', '"The Reporter"'), kv)
    node = AuthNode(kv)
    change = node.sessions.change_password(
        "ACME", "The Reporter", "correct horse", "the reporter", "test-token-of-acme-01"
    )
    with pytest.raises(InvalidParameter, match="newPassword must not be the user's name"):
        run(change)


def test_a_password_change_requires_the_old_password() -> None:
    """Guesses of the old password are slowed down as in a login."""
    node = AuthNode()
    with pytest.raises(BadCredentials):
        run(
            node.sessions.change_password(
                "ACME", "reports", "wrong", "a new secret", "test-token-of-acme-01"
            )
        )


def test_an_agent_can_change_its_password() -> None:
    """A user with the same name is not affected."""
    node = AuthNode()
    run(
        node.sessions.change_password(
            "ACME", "ANN", "ann's own secret", "a new secret", "test-token-of-acme-01", agent=True
        )
    )
    session = run(
        node.sessions.login("ACME", "ANN", "a new secret", "test-token-of-acme-01", agent=True)
    )
    assert is_valid(node, session)


def test_removals_from_the_site_end_sessions() -> None:
    """Removing the user, the password, the token or the client ends sessions at once."""
    for how in range(5):
        kv = small_store()
        node = AuthNode(kv)
        session, other = run(login(node)), run(login(node, "north"))
        if how == 0:
            run(remove_user(kv, 1, "reports"))
        elif how == 1:
            run(set_password(kv, 1, "reports", CHEAP.hash("correct horse")))
        elif how == 2:
            run(revoke_key(kv, 1, digest("test-token-of-acme-01")))
        elif how == 3:
            apply_text(SMALL.replace("correct horse", "a new secret"), kv)
        else:
            apply_text("", kv)
        assert is_valid(node, session)
        run(node.site.refresh())
        assert not is_valid(node, session)
        assert is_valid(node, other) is (how in {0, 1, 3})


def test_changed_rights_apply_from_the_next_request() -> None:
    """A new role, other call centers or another child client apply to the existing session."""
    kv = small_store()
    node = AuthNode(kv)
    session = run(login(node, "north"))
    text = SMALL.replace('role = "Manager", call_centers = [11]', 'role = "Auditor"')
    apply_text(text.replace("parent = 1", ""), kv)
    node.site.reload()
    found = node.sessions.find(session.id)
    assert (found.role, found.call_centers, found.visible_clients) == ("Auditor", None, (1,))


def test_a_restart_does_not_restore_a_session_ended_by_a_site_change() -> None:
    """Sessions read from disk are checked against the current site."""
    node = AuthNode()
    session = run(login(node))
    apply_text(SMALL.replace("correct horse", "a new secret"), node.kv)
    assert not node.restarted().sessions.validate(session.id)


def test_a_failing_disk_opens_no_session_and_loses_none() -> None:
    """Logins raise Unavailable. Failed writes are repeated later."""
    kv = small_store()
    node = AuthNode(kv)
    session = run(login(node))
    node.clock.advance(HOUR)
    node.sessions.find(session.id)
    fail_writes(kv)
    with pytest.raises(Unavailable):
        run(login(node, "north"))
    for write in (node.sessions.close, node.sessions.maintain, node.sessions.maintain):
        with pytest.raises(Unavailable):
            run(write())
    repair(kv)
    assert len(node.sessions) == 1
    run(node.sessions.maintain())
    node.clock.advance(1.5 * HOUR)
    assert node.restarted().sessions.validate(session.id)


def test_concurrent_logins_on_two_nodes_open_one_session() -> None:
    """The second login gets the session of the first. A third node knows it, too."""
    kv, clock = small_store(), Clock()
    nodes = [AuthNode(kv, clock, shared=True) for _ in range(3)]

    async def at_once() -> list[Session]:
        return await asyncio.gather(*(login(node) for node in nodes[:2] * 5))

    sessions = run(at_once())
    assert len({session.id for session in sessions}) == 1
    assert nodes[2].sessions.validate(sessions[0].id)
    assert run(nodes[2].sessions.logout(sessions[0].id))
    assert not any(node.sessions.validate(sessions[0].id) for node in nodes)


def test_only_one_node_writes_each_use() -> None:
    """A session in use on all nodes costs one write per minute in total."""
    kv, clock = small_store(), Clock()
    nodes = [AuthNode(kv, clock, shared=True) for _ in range(3)]
    session = run(login(nodes[0]))
    before = kv.version("sessions")
    for second in range(600):
        clock.advance(1)
        for number, node in enumerate(nodes):
            assert node.sessions.validate(session.id)
            if second % 12 == 4 * number:
                run(node.sessions.maintain())
    assert 8 <= kv.version("sessions") - before <= 10


def test_no_node_expires_a_session_that_another_node_uses() -> None:
    """No node ends a session that another node uses. A logout ends it on all nodes."""
    kv, clock = small_store(), Clock()
    one, two = (AuthNode(kv, clock, shared=True) for _ in range(2))
    session = run(login(one))
    clock.advance(50)
    one.sessions.find(session.id)  # unknown to node two
    clock.advance(LIFETIME - 20)
    run(two.sessions.maintain())
    assert two.sessions.validate(session.id)
    run(two.sessions.maintain())
    assert one.sessions.validate(session.id)
    clock.advance(1)
    one.sessions.find(session.id)
    assert run(two.sessions.logout(session.id))
    clock.advance(WRITE_INTERVAL)
    run(one.sessions.maintain())
    assert not one.sessions.validate(session.id)
    assert not kv.items("sessions")


class History(RuleBasedStateMachine):
    """Compares any history of logins, uses, time, restarts and crashes with a simple model.

    The model has the session and the last use of each user and token. ``keep`` runs every 12 s of
    the machine's time, as in a server. Each step runs on one of the nodes, which share the
    key-value store.
    """

    node_count = 1

    def __init__(self) -> None:
        super().__init__()
        kv = small_store()
        apply_text(
            SMALL.replace(
                '"test-token-of-acme-01"', '"test-token-of-acme-01", "test-token-of-acme-03"'
            ),
            kv,
        )
        self.clock, self.monotonic = Clock(), Clock()
        self.nodes = [
            AuthNode(kv, self.clock, monotonic=self.monotonic, shared=self.node_count > 1)
            for _ in range(self.node_count)
        ]
        self.node = self.nodes[0]
        self.used: dict[tuple[str, str], tuple[str, int]] = {}
        self.ended: set[str] = set()
        # ticks by which a session may outlive the model after a restart, or on another node
        self.grace = MAX_WRITE_LAG * TICKS_PER_SECOND if self.node_count > 1 else 0

    @rule(number=st.integers(0, 9))
    def use_node(self, number: int) -> None:
        """Run the following steps on another node."""
        self.node = self.nodes[number % self.node_count]

    def is_alive(self, key: tuple[str, str]) -> bool | None:
        """Return whether the model's session is alive; None if uncertain or there is none."""
        if key not in self.used:
            return None
        unused = self.clock.ticks - self.used[key][1]
        limit = LIFETIME * TICKS_PER_SECOND
        if limit < unused <= limit + self.grace:
            return None
        return unused <= limit

    @rule(
        user=st.sampled_from(["reports", "north"]),
        token=st.sampled_from(["test-token-of-acme-01", "test-token-of-acme-03"]),
    )
    def log_in(self, user: str, token: str) -> None:
        """A login returns the existing session or a new one."""
        alive = self.is_alive((user, token))
        session = run(login(self.node, user, token)).id
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
        expected, found = self.is_alive(key), self.node.sessions.validate(session)
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
        expected = self.is_alive(key)
        session = self.used.pop(key)[0]
        found = run(self.node.sessions.logout(session)) is not None
        assert expected is None or found is expected
        self.ended.add(session)

    @rule(seconds=st.one_of(st.integers(0, 90), st.integers(0, LIFETIME + 300)))
    def wait(self, seconds: int) -> None:
        """Let time pass, and save sessions when they are due."""
        for _ in range(min(seconds // 12, 12)):
            self.advance(12)
            self.keep()
        self.advance(seconds - 12 * min(seconds // 12, 12))
        self.keep()

    def advance(self, seconds: int) -> None:
        """Let time pass on both clocks."""
        self.clock.advance(seconds)
        self.monotonic.advance(seconds)

    @rule(hours=st.sampled_from([-30, -1, 3, 30]))
    def set_wall_clock_for_a_moment(self, hours: int) -> None:
        """Run the periodic work while the wall clock is wrong."""
        self.clock.advance(hours * HOUR)
        self.keep()
        self.clock.advance(-hours * HOUR)

    def keep(self) -> None:
        """Run the periodic work of every node."""
        for node in self.nodes:
            run(node.sessions.maintain())

    @rule(orderly=st.booleans())
    def restart(self, orderly: bool) -> None:
        """Stop or kill the server, and start it again."""
        if orderly:
            run(self.node.sessions.close())
        at = self.nodes.index(self.node)
        self.node = self.nodes[at] = self.node.restarted()
        self.grace = MAX_WRITE_LAG * TICKS_PER_SECOND

    @rule(user=st.sampled_from(["reports", "north"]))
    def change_password(self, user: str) -> None:
        """Set a user's password, even to the same one, which ends its sessions."""
        hashed = CHEAP.hash({"reports": "correct horse", "north": "battery staple"}[user])
        run(set_password(self.node.kv, 1, user, hashed))
        for node in self.nodes:
            run(node.site.refresh())
        for key in [key for key in self.used if key[0] == user]:
            self.ended.add(self.used.pop(key)[0])

    @invariant()
    def ended_sessions_stay_ended(self) -> None:
        """Ended sessions stay ended."""
        for node in self.nodes:
            assert not any(node.sessions.validate(session) for session in self.ended)

    def teardown(self) -> None:
        """Close the thread pools."""
        for node in self.nodes:
            node.passwords.close()


class SharedHistory(History):
    """The same on three nodes: a session is valid on all of them, and ends on all of them."""

    node_count = 3


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=tries(40), stateful_step_count=25)

TestSharedHistory = SharedHistory.TestCase
TestSharedHistory.settings = TestHistory.settings


def test_a_screens_session_survives_restarts_and_ends_with_its_key() -> None:
    """The session sees what its key selects.

    After a day switched off, the screen opens a new session.
    """
    node = AuthNode()
    shown = {"call_centers": (11,), "services": (102,)}
    screen = ScreenKey(digest=digest("a key for a screen"), **shown)
    run(add_screen_key(node.kv, 1, screen))
    node.site.reload()
    first = run(node.sessions.open_screen(1, "a key for a screen"))
    assert (first.role, first.user, first.visible_clients) == ("Screen", 0, (1, 2))
    assert first.limits == (frozenset({11}), frozenset({102}))
    assert run(node.sessions.open_screen(1, "a key for a screen")) is first
    again = node.restarted()
    assert again.sessions.find(first.id).limits == first.limits
    assert run(again.sessions.open_screen(1, "a key for a screen")).id == first.id
    again.clock.advance(24 * HOUR)
    assert not is_valid(again, first)
    second = run(again.sessions.open_screen(1, "a key for a screen"))
    assert second.id != first.id
    run(revoke_key(again.kv, 1, screen.digest))
    again.site.reload()
    assert not is_valid(again, second)


def test_a_screen_key_without_a_selection_has_no_limits() -> None:
    """The screen sees what an unlimited user sees."""
    node = AuthNode()
    run(add_screen_key(node.kv, 1, ScreenKey(digest=digest("a key for a screen"))))
    node.site.reload()
    assert run(node.sessions.open_screen(1, "a key for a screen")).limits == (None, frozenset())


def test_a_possibly_stale_store_grants_no_access() -> None:
    """Neither a session nor a key grants access until the store is current again."""
    current = [True]

    def check() -> None:
        if not current[0]:
            raise Unavailable("this node has not reached the cluster's quorum")

    kv = small_store()
    kv.check_current = check
    node = AuthNode(kv)
    keys = KeyVerifier(node.site, KeyThrottle(node.clock))
    session = run(login(node))
    current[0] = False
    for refused in (
        lambda: node.sessions.find(session.id),
        lambda: node.sessions.validate(session.id),
        lambda: keys.client_of_ingest_key("ingest-key-of-acme-01"),
    ):
        with pytest.raises(Unavailable, match="quorum"):
            refused()
    current[0] = True
    assert node.sessions.find(session.id) is session
    assert keys.client_of_ingest_key("ingest-key-of-acme-01") == 1
