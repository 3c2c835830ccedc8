"""Sessions: from a login to its end, across restarts.

A session is on disk before anybody is told its id. Its use is written down once a minute at
most; after a restart the lag is counted in its favour. What a session may do is not kept with
it but read from the site, again whenever the site has changed: so a session ends as soon as its
user, password or API token does, whoever took it away and however.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Final

from floorcast.auth.credentials import Claim, Credentials, Proven
from floorcast.auth.keys import is_api_token
from floorcast.auth.once import Once
from floorcast.auth.passwords import LONGEST, SHORTEST, Passwords
from floorcast.auth.session import Session, proof_of, restored, stored
from floorcast.buckets.port import Buckets, Item
from floorcast.errors import BadSession, InvalidParameter, MissingParameter
from floorcast.site.edits import set_password
from floorcast.site.site import Site
from floorcast.token import TICKS_PER_SECOND, Now

__all__ = ["DAYS_UNTIL_PASSWORD_EXPIRES", "LIFETIME", "Sessions"]

DAYS_UNTIL_PASSWORD_EXPIRES: Final = 9999
"""What a login answers: passwords do not expire, and clients do sums with this number."""

LIFETIME: Final = 2 * 3600  # seconds without use after which a session has ended
WRITTEN: Final = 60  # seconds between two writings of a session's use
LAG: Final = 120  # seconds by which the use on disk may be behind, with room to spare
GROUP: Final = 1000  # sessions written in one go

BUCKET: Final = "sessions"


class Sessions:
    """Every session there is.

    Reads them all from the buckets when it is made. ``keep`` wants to be awaited every 10 to
    15 s, and ``close`` before the buckets are closed.
    """

    def __init__(
        self,
        site: Site,
        buckets: Buckets,
        credentials: Credentials,
        passwords: Passwords,
        now: Now,
    ) -> None:
        self._site = site
        self._buckets = buckets
        self._credentials = credentials
        self._passwords = passwords
        self._now = now
        self._living: OrderedDict[str, Session] = OrderedDict()  # the longest unused first
        self._by_login: dict[tuple[int, bool, str, str], str] = {}
        self._opening: Once[Session] = Once()
        self._used: set[str] = set()  # whose use is not on disk yet
        self._ended: set[str] = set()  # which are still on disk
        self._written = now()
        self._load()

    def __len__(self) -> int:
        return len(self._living)

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
        """The user's session with this API token: the one it has, or a new one.

        Raises what ``Credentials.prove`` does, and ``Unavailable`` when it cannot be stored.
        """
        claim = Claim(client_name, user_name, password, api_token, agent, address)
        proven = await self._credentials.prove(claim)
        login = (proven.client, agent, proven.user.name, proven.token)
        return await self._opening.do(login, partial(self._open, proven))

    def find(self, session_id: str | None) -> Session:
        """The living session of that id, which counts as a use of it; raises ``BadSession``."""
        if not session_id:
            raise BadSession("the header LV-Session is required: log in by POST /session/login")
        session = self._alive(session_id)
        if session is None:
            raise BadSession("the session is unknown or has ended: log in by POST /session/login")
        self._touch(session)
        return session

    def validate(self, session_id: str) -> bool:
        """Whether the session lives; asking counts as a use of it."""
        session = self._alive(session_id)
        if session is not None:
            self._touch(session)
        return session is not None

    async def logout(self, session_id: str) -> bool:
        """End the session for good; whether there was one."""
        session = self._alive(session_id)
        if session is None:
            return False
        self._end(session)
        await self._write()
        return True

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
    ) -> None:
        """Give the user another password, which ends all of its sessions.

        Raises what ``login`` does, and ``InvalidParameter`` for a new password that is too
        short or too long.
        """
        if not new_password.strip():
            raise MissingParameter("newPassword is required")
        claim = Claim(client_name, user_name, password, api_token, agent, address)
        proven = await self._credentials.prove(claim)
        if not SHORTEST <= len(new_password) <= LONGEST:
            raise InvalidParameter(f"newPassword must have {SHORTEST} to {LONGEST} characters")
        new = await self._passwords.hash(new_password)
        await set_password(self._buckets, proven.client, proven.user.name, new, agent=agent)
        await self._site.refresh()

    async def keep(self) -> None:
        """Write down what was used, at most once a minute, and what has ended.

        Raises ``Unavailable`` when it cannot; the next call then does it.
        """
        oldest = self._now() - LIFETIME * TICKS_PER_SECOND
        while self._living and next(iter(self._living.values())).last_used < oldest:
            self._end(next(iter(self._living.values())))
        if self._now() - self._written >= WRITTEN * TICKS_PER_SECOND:
            await self.close()
        else:
            await self._write()

    async def close(self) -> None:
        """Write everything down; raises ``Unavailable`` when it cannot."""
        began = self._now()
        while self._used:
            used = {session: self._living[session] for session in islice(self._used, GROUP)}
            self._used -= used.keys()
            try:
                await self._write(used.values())
            except BaseException:
                self._used |= used.keys() & self._living.keys()
                raise
        await self._write()
        self._written = began

    async def _open(self, proven: Proven) -> Session:
        user = proven.user
        session_id = self._by_login.get((proven.client, user.agent, user.name, proven.token), "")
        session = self._alive(session_id)
        if session is None:
            session = Session(
                id=str(uuid.uuid4()),
                client=proven.client,
                name=user.name,
                agent=user.agent,
                token=proven.token,
                proof=proof_of(user.password_hash),
                last_used=self._now(),
            )
            await self._write([session])
            self._live(session)
            self._allow(session)
        self._touch(session)
        return session

    def _alive(self, session_id: str) -> Session | None:
        session = self._living.get(session_id)
        if session is None:
            return None
        unused = self._now() - session.last_used
        if unused > LIFETIME * TICKS_PER_SECOND or not self._allow(session):
            self._end(session)
            return None
        return session

    def _allow(self, session: Session) -> bool:
        """Bring what the session may do up to date with the site; False: it has ended."""
        if session.generation == self._site.generation:
            return True
        directory = self._site.directory
        client = directory.clients.get(session.client)
        user = directory.user(session.client, session.name, agent=session.agent)
        if user is None or not is_api_token(client, session.token):
            return False
        if session.proof != proof_of(user.password_hash):
            return False
        session.user, session.role = user.id, user.role
        session.call_centers = None if user.call_centers is None else frozenset(user.call_centers)
        session.clients_seen = (
            (session.client,) if session.agent else directory.family(session.client)
        )
        session.generation = self._site.generation
        return True

    def _touch(self, session: Session) -> None:
        session.last_used = self._now()
        self._living.move_to_end(session.id)
        self._used.add(session.id)

    def _live(self, session: Session) -> None:
        self._living[session.id] = session
        self._by_login[session.client, session.agent, session.name, session.token] = session.id

    def _end(self, session: Session) -> None:
        self._living.pop(session.id, None)
        self._used.discard(session.id)
        login = (session.client, session.agent, session.name, session.token)
        if self._by_login.get(login) == session.id:
            del self._by_login[login]
        self._ended.add(session.id)

    async def _write(self, sessions: Iterable[Session] = ()) -> None:
        ended = set(self._ended)
        items = [Item(BUCKET, session_id, None) for session_id in ended]
        items += [Item(BUCKET, session.id, stored(session)) for session in sessions]
        if items:
            await self._buckets.write(items)
        self._ended -= ended

    def _load(self) -> None:
        found = []
        for session_id, raw in self._buckets.items(BUCKET).items():
            session = restored(session_id, raw)
            if session is None:
                self._ended.add(session_id)
                continue
            session.last_used = min(self._now(), session.last_used + LAG * TICKS_PER_SECOND)
            found.append(session)
        for session in sorted(found, key=lambda one: one.last_used):
            self._live(session)
