"""Requests that ask for another protocol, answered in this one.

Java's own client asks every server for HTTP/2 in this way (``Upgrade: h2c``), with the events
already behind it.
"""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["NeverUpgraded"]

_ASKS = {b"upgrade", b"http2-settings", b"connection"}


class NeverUpgraded(HttpToolsProtocol):
    """uvicorn's connection, which reads a request that asks for an upgrade as if it had not.

    The parser takes what follows such a head for the other protocol: the body would be lost, and
    the request answered as an empty one, so that its sender took its events for stored.
    """

    def data_received(self, data: bytes) -> None:
        """Read on; behind the head of a request that asks, that head comes again without it."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            head = self._plain_head()
            self.parser = httptools.HttpRequestParser(self)  # it would stay at the upgrade
            self.data_received(head + data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        """Begin the request, unless its head is about to come again."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the request, unless it has not begun."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _plain_head(self) -> bytes:
        closes = any(n == b"connection" and b"close" in v.lower() for n, v in self.headers)
        lines = [b"%b: %b" % header for header in self.headers if header[0] not in _ASKS]
        lines += [b"connection: close"] if closes else []
        first = b"%b %b HTTP/%b" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        return b"\r\n".join((first, *lines, b"", b""))
