"""TLS: the certificate and key that the settings name, and what may have changed about them."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from floorcast.config.settings import Settings
from floorcast.model.errors import SettingError

__all__ = ["LOOK_SECONDS", "Certificate"]

LOOK_SECONDS = 10.0  # between two looks whether the files have changed

_log = structlog.stdlib.get_logger(__name__)
_Mark = tuple[tuple[int, int], ...]  # of each file: when it was changed, and its size


class Certificate:
    """A certificate and its key; ``context`` is what connections are encrypted with.

    The context stays the same when the files change: handshakes from then on take what is new,
    and connections that are open go on. Raises SettingError when the files cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._mark = self._look()
        self.context = self._load(_new_context())

    def reload(self) -> None:
        """Take the files as they are now; what cannot be used is logged, and changes nothing."""
        self._mark = self._look()
        try:
            self._load(_new_context())  # a mismatch would leave the one in use half changed
            self._load(self.context)
        except SettingError as error:
            _log.error("tls_not_reloaded", why=str(error))
        else:
            _log.info("tls_reloaded", certificate=str(self._files[0]))

    def reload_if_changed(self) -> None:
        """The same, if one of the files is another than when it was last looked at."""
        if self._look() != self._mark:
            self.reload()

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        certificate, key = self._files
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            why = getattr(error, "strerror", None) or error
            raise SettingError(
                f"tls_cert {certificate}, tls_key {key}: must be a certificate chain and its key,"
                f" both PEM, the key not encrypted: {why}"
            ) from None
        return context

    def _look(self) -> _Mark:
        mark = []
        for file in self._files:
            try:
                status = file.stat()
            except OSError:
                mark.append((0, 0))
            else:
                mark.append((status.st_mtime_ns, status.st_size))
        return tuple(mark)

    @classmethod
    def of(cls, settings: Settings) -> Certificate | None:
        """What the settings name; None where they name none. Raises SettingError."""
        if settings.tls_cert is None and settings.tls_key is None:
            return None
        if settings.tls_cert is None or settings.tls_key is None:
            missing = "tls_cert" if settings.tls_cert is None else "tls_key"
            raise SettingError(f"{missing} is missing: a certificate and its key go together")
        return cls(settings.tls_cert, settings.tls_key)


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    """Instead of OpenSSL's own question on the terminal, which nobody would answer."""
    raise ValueError("it is encrypted")
