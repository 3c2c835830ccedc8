"""Keeps sessions from login to logout or expiry, across restarts and on every node of a cluster.

A session is stored before its id is returned. Memory follows the store: other nodes' writes arrive
the same way as this node's. A session's use is written at most once per minute, by one node. The
last use may be unwritten, so a session lives longer than its stored use says. A session's age is
measured by a clock that does not jump: a wall clock that is wrong for a moment ends no session. The
rights of a session are not stored but read from the site after each change, so a session ends as
soon as its user, password or API token is removed or changed.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import Final

from msgspec import structs

from floorcast.auth.login_verifier import LoginCredentials, LoginVerifier, VerifiedLogin
from floorcast.auth.passwords import Passwords
from floorcast.auth.rights import update_rights
from floorcast.auth.session import (
    Session,
    SessionRateLimit,
    decode_session,
    derive_session_id,
    encode_session,
    password_fingerprint,
)
from floorcast.auth.single_flight import SingleFlight
from floorcast.auth.unwritten_sessions import MAX_ATTEMPTS, UnwrittenSessions
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.errors import BadSession, InvalidParameter, MissingParameter, Unavailable
from floorcast.model.token import TICKS_PER_SECOND, Now
from floorcast.site.digests import digest, fingerprint
from floorcast.site.edits import set_password
from floorcast.site.live_site import Site
from floorcast.site.secret_rules import password_problem

__all__ = ["BUCKET", "DAYS_UNTIL_PASSWORD_EXPIRES", "LIFETIME", "Sessions"]

DAYS_UNTIL_PASSWORD_EXPIRES: Final = 9999
"""A member of login responses. Clients calculate with it, although passwords do not expire."""

LIFETIME: Final = 2 * 3600  # seconds without use after which a session ends
WRITE_INTERVAL: Final = 60  # seconds between two writes of a session's use
MAX_WRITE_LAG: Final = 120  # seconds by which a stored use can be out of date, with a margin

BUCKET: Final = "sessions"
"""The bucket that sessions are stored in."""


class Sessions:
    """All sessions. They are read from the key-value store when the object is created.

    Await ``maintain`` every 10 to 15 s, and ``close`` before the store is closed. If nodes share
    the store, a session lives ``MAX_WRITE_LAG`` longer, because another node may not have written
    its last use yet.
    """

    def __init__(
        self,
        site: Site,
        kv: KeyValueStore,
        credentials: LoginVerifier,
        passwords: Passwords,
        now: Now,
        *,
        monotonic: Now,
        shared: bool = False,
    ) -> None:
        self._lifetime = (LIFETIME + shared * MAX_WRITE_LAG) * TICKS_PER_SECOND
        self._site = site
        self._kv = kv
        self._credentials = credentials
        self._passwords = passwords
        self._now, self._monotonic = now, monotonic
        # by the digests of their ids, longest unused first
        self._active: OrderedDict[str, Session] = OrderedDict()
        self._by_key: dict[str, Session] = {}
        self._new = SessionRateLimit(monotonic)
        self._opening: SingleFlight[Session] = SingleFlight()
        self._unwritten = UnwrittenSessions(kv, BUCKET, now)
        self._ends = 0  # sessions that have ended since the start
        self._load(shared=shared)
        kv.listen(BUCKET, self._on_write)

    def __len__(self) -> int:
        return len(self._active)

    async def login(
        self,
        client_name: str,
        user_name: str,
        password: str,
        api_token: str | None,
        *,
        agent: bool = False,
        address: str = "",
    ) -> Session:
        """Return the user's session with this API token: the existing session or a new one.

        Raises the errors of ``LoginVerifier.verify_login``; ``RateLimited`` after too many new
        sessions; and ``Unavailable`` if the session cannot be stored.
        """
        login = LoginCredentials(client_name, user_name, password, api_token, agent, address)
        verified = await self._credentials.verify_login(login)
        template = Session(
            digest="",
            client=verified.client,
            name=verified.user.name,
            agent=agent,
            token=verified.token,
            password_fingerprint=password_fingerprint(verified.user.password_hash),
            last_used=0,
        )
        return await self._opening.do(template.key, partial(self._open, template, api_token or ""))

    async def open_screen(self, client: int, key: str) -> Session:
        """Return the session of a client's screen key: the existing session or a new one.

        All screens with the key share one session. Raises ``Unavailable`` if the session cannot be
        stored.
        """
        token = digest(key)
        template = Session(
            digest="",
            client=client,
            name=f"screen {fingerprint(token)}",
            agent=False,
            screen=True,
            token=token,
            password_fingerprint="",
            last_used=0,
        )
        return await self._opening.do(template.key, partial(self._open, template, key))

    def find(self, session_id: str | None) -> Session:
        """Return the active session with that id. This counts as a use of the session.

        Raises BadSession, and Unavailable while a node of a cluster cannot know which sessions were
        removed.
        """
        if not session_id:
            raise BadSession("the header LV-Session is required: log in with POST /session/login")
        self._site.check_current()
        session = self._find_active(session_id)
        if session is None:
            raise BadSession("the session is unknown or has ended: log in with POST /session/login")
        self._touch(session)
        return session

    def epoch(self) -> int:
        """Return a number that changes whenever a session ends or the site changes."""
        return self._ends + self._site.generation

    def validate(self, session_id: str) -> bool:
        """Return whether the session is active. This counts as a use. Raises Unavailable."""
        self._site.check_current()
        session = self._find_active(session_id)
        if session is not None:
            self._touch(session)
        return session is not None

    async def logout(self, session_id: str) -> Session | None:
        """End the session and return it, or return None if there was none."""
        found = self._find_active(session_id)
        # repeated if another node has written a use of the session in the meantime
        while session := self._active.get(digest(session_id)):
            self._end(session)
            await self._unwritten.write_ends()
        return found

    async def change_password(
        self,
        client_name: str,
        user_name: str,
        password: str,
        new_password: str,
        api_token: str | None,
        *,
        agent: bool = False,
        address: str = "",
    ) -> VerifiedLogin:
        """Change the user's password, which ends all of the user's sessions.

        Returns the client and the user. Raises the errors of ``LoginVerifier.verify_login``, and
        ``InvalidParameter`` if the new password is too short or too long, or equals the user's name
        or the old password.
        """
        if not new_password.strip():
            raise MissingParameter("newPassword is required")
        login = LoginCredentials(client_name, user_name, password, api_token, agent, address)
        verified = await self._credentials.verify_login(login)
        if problem := password_problem(new_password, user_name):
            raise InvalidParameter(f"newPassword {problem}")
        if new_password == password:
            raise InvalidParameter("newPassword must not be the old password")
        new = await self._passwords.hash(new_password)
        await set_password(self._kv, verified.client, verified.user.name, new, agent=agent)
        await self._site.refresh()
        return verified

    async def maintain(self) -> None:
        """Delete expired sessions, and save used sessions that were last saved over a minute ago.

        Raises ``Unavailable`` on failure. The next call then tries again.
        """
        oldest = self._monotonic() - self._lifetime
        while self._active and next(iter(self._active.values())).used_at < oldest:
            self._end(next(iter(self._active.values())))
        await self._unwritten.write_ends()
        await self._unwritten.write_uses(WRITE_INTERVAL)

    async def close(self) -> None:
        """Write everything that is still unwritten. Raises ``Unavailable`` on failure."""
        await self._unwritten.write_ends()
        await self._unwritten.write_uses(0)

    async def _open(self, template: Session, secret: str) -> Session:
        """Open a session like ``template`` and derive its id from ``secret``."""
        key = template.key
        for _ in range(MAX_ATTEMPTS):
            if session := self._reuse(key, secret):
                return session
            self._new.count(template.client, template.name, agent=template.agent)
            nonce = token_hex(16)
            new = structs.replace(
                template,
                digest=digest(derive_session_id(nonce, secret)),
                nonce=nonce,
                last_used=self._now(),
            )
            current = self._kv.get(BUCKET, key)
            # after a conflict, another node was first and its session has already arrived
            with suppress(Conflict):
                await self._kv.write(
                    [Item(BUCKET, key, encode_session(new))], [Item(BUCKET, key, current)]
                )
        if session := self._reuse(key, secret):
            return session
        raise Unavailable("the user is logging in and out on many nodes at once; try again")

    def _reuse(self, key: str, secret: str) -> Session | None:
        """Mark the active session under ``key`` as used and return it.

        Returns None if there is no such session or its id is unknown.
        """
        session = self._by_key.get(key)
        if session is None or not self._is_active(session):
            return None
        if not session.id:
            derived = derive_session_id(session.nonce, secret)
            if digest(derived) != session.digest:  # earlier releases chose the id
                return None
            session.id = derived
        self._touch(session)
        return session

    def _find_active(self, session_id: str) -> Session | None:
        session = self._active.get(digest(session_id))
        if session is None or not self._is_active(session):
            return None
        session.id = session_id
        return session

    def _is_active(self, session: Session) -> bool:
        unused = self._monotonic() - session.used_at
        if unused > self._lifetime or not self._is_allowed(session):
            self._end(session)
            return False
        return True

    def _is_allowed(self, session: Session) -> bool:
        """Update the session's rights from the site; return False if it has ended."""
        if session.generation == self._site.generation or update_rights(session, self._site):
            return True
        # a session can arrive before the site change that allows it
        return self._site.reload() is not None and update_rights(session, self._site)

    def _touch(self, session: Session) -> None:
        session.last_used, session.used_at = self._now(), self._monotonic()
        self._active.move_to_end(session.digest)
        self._unwritten.used[session.digest] = session

    def _use_time(self, session: Session) -> int:
        """Return the time of a stored session's last use by the clock that does not jump."""
        return self._monotonic() - max(0, self._now() - session.last_used)

    def _add(self, session: Session) -> None:
        session.used_at = self._use_time(session)
        self._active[session.digest] = session
        self._by_key[session.key] = session

    def _remove(self, session: Session) -> None:
        self._ends += 1
        self._active.pop(session.digest, None)
        self._unwritten.used.pop(session.digest, None)
        if self._by_key.get(session.key) is session:
            del self._by_key[session.key]

    def _end(self, session: Session) -> None:
        self._remove(session)
        self._unwritten.ended[session.key] = session.written

    def _on_write(self, key: str, raw: bytes | None) -> None:
        """Apply the bucket's new value for a key, which any node may have written."""
        self._unwritten.ended.pop(key, None)
        old = self._by_key.get(key)
        new = None if raw is None else decode_session(raw)
        if old is not None and new is not None and old.digest == new.digest:
            self._merge(old, new)
            return
        if old is not None:
            self._remove(old)
        if new is not None:
            self._add(new)

    def _merge(self, session: Session, written: Session) -> None:
        """Apply a use that was written by any node to the session in memory."""
        session.written, session.written_at = written.written, written.written_at
        if written.last_used > session.last_used or session.last_used > self._now():
            session.last_used = written.last_used
        if (used_at := self._use_time(written)) > session.used_at:
            session.used_at = used_at
            self._active.move_to_end(session.digest)

    def _load(self, *, shared: bool) -> None:
        grace = 0 if shared else MAX_WRITE_LAG * TICKS_PER_SECOND
        found = []
        for key, raw in self._kv.items(BUCKET).items():
            session = decode_session(raw)
            if session is None or session.key != key:
                self._unwritten.ended[key] = raw
                continue
            session.last_used = min(self._now(), session.last_used + grace)
            if session.id and not shared:  # stored by an earlier release: to be stored as a hash
                session.written_at = 0
                self._unwritten.used[session.digest] = session
            found.append(session)
        for session in sorted(found, key=lambda one: one.last_used):
            self._add(session)
