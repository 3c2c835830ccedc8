"""Tests of the descriptions of failed connections."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from floorcast.model.connection_errors import describe_connection_error


def tls_error(reason: str = "WRONG_VERSION_NUMBER") -> ssl.SSLError:
    """Return the error of a failed handshake; by default, with a peer that does not use TLS."""
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1006)")
    error.reason = reason
    return error


def certificate_error() -> ssl.SSLCertVerificationError:
    """Return the error of a handshake with a peer whose certificate has expired."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message = "certificate has expired"
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 80)"),
         "connection refused by a.test:80"),
        (OSError(errno.ECONNRESET, ""), "connection reset by a.test:80"),
        (TimeoutError(), "no connection to a.test:80: timed out"),
        (OSError(errno.ETIMEDOUT, ""), "no connection to a.test:80: connection timed out"),
        (OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 80)"),
         "no connection to a.test:80: no route to host"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
         "the name a.test cannot be resolved: Name or service not known"),
        (tls_error(), "no TLS connection to a.test:80: it answers without TLS"),
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"),
         "no TLS connection to a.test:80: tlsv1 alert protocol version"),
        (certificate_error(),
         "the certificate of a.test:80 is not valid: certificate has expired"),
        (OSError("a.test has no address"), "no connection to a.test:80: a.test has no address"),
        (UnicodeError("label too long"), "a.test is not a valid host name"),
    ],
)  # fmt: skip
def test_a_failed_connection_is_described_in_words(
    error: OSError | UnicodeError, words: str
) -> None:
    """The description names the peer and says what happened, without an error number."""
    assert describe_connection_error(error, "a.test", 80) == words


def test_an_ipv6_address_has_brackets() -> None:
    """The port after an IPv6 address is not read as a part of it."""
    words = describe_connection_error(ConnectionRefusedError(), "::1", 80)
    assert words == "connection refused by [::1]:80"
