"""A telephone that uses SIP over UDP to call, answer, hang up and transfer.

It acts as soon as a test calls it, whereas SIPp's scenarios would need pauses. It sends no media.
"""

from __future__ import annotations

import itertools
import re
import socket
import threading
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote

__all__ = ["Leg", "Phone", "Stage"]

SERVER = ("127.0.0.1", 5060)
_numbers = itertools.count(1)


class Stage(StrEnum):
    """The progress of a call."""

    CALLING = "calling"
    UP = "up"
    OVER = "over"


class Message(NamedTuple):
    """A request or a response."""

    first: str
    headers: dict[str, str]

    @property
    def method(self) -> str:
        """The request's method, or the method of the request that this response answers."""
        if not self.status:
            return self.first.split(" ")[0]
        return self.headers["cseq"].split(" ")[1]

    @property
    def status(self) -> int:
        """The response's status, or 0 for a request."""
        return int(self.first.split(" ")[1]) if self.first.startswith("SIP/2.0") else 0


class Leg:
    """One of a phone's calls. ``local`` and ``remote`` are the From and To of its own requests."""

    def __init__(self, phone: Phone, call_id: str, target: str, local: str, remote: str) -> None:
        self.call_id, self.target = call_id, target
        self.local, self.remote = local, remote
        self.stage = Stage.CALLING
        self.accepted: set[str] = set()  # methods of own requests that received a 2xx
        self.branch = ""
        self._phone = phone
        self._cseq = itertools.count(1)

    def invite(self) -> None:
        self.branch = self._send("INVITE", next(self._cseq))

    def ack(self, cseq: str) -> None:
        self._send("ACK", int(cseq))

    def hang_up(self) -> None:
        """Send BYE, or CANCEL if the call has not been answered."""
        if self.stage is Stage.CALLING:
            self._send("CANCEL", 1, branch=self.branch)
        elif self.stage is Stage.UP:
            self._send("BYE", next(self._cseq))
        self.stage = Stage.OVER

    def refer(self, extension: str) -> None:
        """Make a blind transfer, in which the other side calls an extension."""
        self._refer(f"<sip:{extension}@{SERVER[0]}:{SERVER[1]}>")

    def refer_to(self, other: Leg) -> None:
        """Make an attended transfer: the other side takes this phone's place in ``other``."""
        tags = [_tag(one) for one in (other.remote, other.local)]
        replaces = quote(f"{other.call_id};to-tag={tags[0]};from-tag={tags[1]}", safe="")
        uri = re.sub(r"[<>]", "", other.target)
        self._refer(f"<{uri}?Replaces={replaces}>")

    def _refer(self, to: str) -> None:
        about = f"Refer-To: {to}\r\nReferred-By: {self.local.split(';tag')[0]}\r\n"
        self._send("REFER", next(self._cseq), about)

    def _send(self, method: str, cseq: int, more: str = "", *, branch: str = "") -> str:
        branch = branch or f"z9hG4bK-{next(_numbers)}"
        self._phone.send(
            f"{method} {self.target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self._phone.address};branch={branch}\r\n"
            f"From: {self.local}\r\nTo: {self.remote}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:{self._phone.name}@{self._phone.address}>\r\n"
            f"Max-Forwards: 70\r\n{more}",
            with_media=method == "INVITE",
        )
        return branch


class Phone:
    """A phone at a loopback address. It answers calls at once."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name, self.address = name, f"{host}:{port}"
        self.legs: dict[str, Leg] = {}
        self._host = host
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def call(self, extension: str) -> Leg:
        """Call an extension. Returns the new call."""
        number, target = next(_numbers), f"sip:{extension}@{SERVER[0]}:{SERVER[1]}"
        leg = Leg(
            self,
            call_id=f"{number}-{self.address}",
            target=target,
            local=f"<sip:{self.name}@{self.address}>;tag=p{number}",
            remote=f"<{target}>",
        )
        self.legs[leg.call_id] = leg
        leg.invite()
        return leg

    def leg(self) -> Leg:
        """Return the established call."""
        return next(leg for leg in self.legs.values() if leg.stage is Stage.UP)

    def is_free(self) -> bool:
        """Return whether all calls are over."""
        return all(leg.stage is Stage.OVER for leg in self.legs.values())

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def send(self, head: str, *, with_media: bool = False) -> None:
        body = ""
        if with_media:
            body = (
                f"v=0\r\no=p 1 1 IN IP4 {self._host}\r\ns=-\r\nc=IN IP4 {self._host}\r\nt=0 0\r\n"
                "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
            )
            head += "Content-Type: application/sdp\r\n"
        text = f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
        self._socket.sendto(text.encode(), SERVER)

    def _listen(self) -> None:
        while data := self._socket.recv(65536):
            message = _parsed(data.decode())
            if message.status:
                self._response(message)
            else:
                self._request(message)

    def _response(self, message: Message) -> None:
        leg = self.legs.get(message.headers["call-id"])
        if leg is None or message.status < 200:
            return
        if message.method == "INVITE":
            leg.remote = message.headers["to"]
            if message.status < 300:
                leg.target = message.headers["contact"].strip("<>")
            leg.ack(message.headers["cseq"].split(" ")[0])
            if leg.stage is not Stage.OVER:
                leg.stage = Stage.UP if message.status < 300 else Stage.OVER
        if message.status < 300:
            leg.accepted.add(message.method)

    def _request(self, message: Message) -> None:
        headers, method = message.headers, message.method
        if method == "ACK":
            return
        call_id = headers["call-id"]
        leg = self.legs.get(call_id)
        if leg is None and method == "INVITE":
            local = f"{headers['to']};tag=p{next(_numbers)}"
            target = headers["contact"].strip("<>")
            leg = self.legs[call_id] = Leg(self, call_id, target, local, headers["from"])
            leg.stage = Stage.UP
        to = leg.local if leg and ";tag=" not in headers["to"] else headers["to"]
        self.send(
            f"SIP/2.0 200 OK\r\nVia: {headers['via']}\r\nFrom: {headers['from']}\r\nTo: {to}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {headers['cseq']}\r\n"
            f"Contact: <sip:{self.name}@{self.address}>\r\n",
            with_media=method == "INVITE",
        )
        if leg and method == "BYE":
            leg.stage = Stage.OVER


def _parsed(text: str) -> Message:
    first, *lines = text.partition("\r\n\r\n")[0].split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), value.strip())
    return Message(first, headers)


def _tag(address: str) -> str:
    return address.partition(";tag=")[2].partition(";")[0]
