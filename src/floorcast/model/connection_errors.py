"""Describes why a connection failed, in words instead of error numbers."""

from __future__ import annotations

import os
import socket
import ssl

__all__ = ["describe_connection_error"]

MAX_CHARACTERS = 200

NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
"""OpenSSL's reasons, which differ between its versions, if the other side does not speak TLS."""


def describe_connection_error(error: OSError | UnicodeError, host: str, port: int) -> str:
    """Describe why no connection to ``host`` could be opened, in at most 200 characters."""
    receiver = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return _describe(error, host, receiver)[:MAX_CHARACTERS]


def _describe(error: OSError | UnicodeError, host: str, receiver: str) -> str:
    match error:
        case UnicodeError():
            return f"{host} is not a valid host name"
        case socket.gaierror():
            return f"the name {host} cannot be resolved: {error.strerror}"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {receiver} is not valid: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS connection to {receiver}: {_describe_handshake(error)}"
        case ConnectionRefusedError():
            return f"connection refused by {receiver}"
        case ConnectionResetError():
            return f"connection reset by {receiver}"
        case OSError(errno=int(number)):
            # asyncio and uvloop put different texts into the error
            return f"no connection to {receiver}: {os.strerror(number).lower()}"
        case _:
            return f"no connection to {receiver}: {str(error) or 'timed out'}"


def _describe_handshake(error: ssl.SSLError) -> str:
    if error.reason in NOT_TLS:
        return "it answers without TLS"
    return (error.reason or "handshake failed").replace("_", " ").lower()
