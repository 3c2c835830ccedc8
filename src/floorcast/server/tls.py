"""TLS: loads the certificate and key that the settings name."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from floorcast.config.settings import Settings
from floorcast.model.errors import SettingError

__all__ = ["CHECK_SECONDS", "Certificate"]

CHECK_SECONDS = 10.0  # between two checks for changed files

_log = structlog.stdlib.get_logger(__name__)
_FileStamps = tuple[tuple[int, int], ...]  # each file's modification time and size


class Certificate:
    """A certificate and its key. ``context`` is for the next handshake.

    A reload replaces the context: a context that is in use would keep the old certificate beside
    the new one if their keys are of different kinds, such as EC and RSA. Open connections are not
    affected. Raises SettingError if the files cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._stamps = self._read_stamps()
        self.context = self._load()

    def reload(self) -> None:
        """Reload the files. If they cannot be used, log an error and change nothing."""
        self._stamps = self._read_stamps()
        try:
            self.context = self._load()
        except SettingError as error:
            _log.error("tls_not_reloaded", why=str(error))
        else:
            _log.info("tls_reloaded", certificate=str(self._files[0]))

    def reload_if_changed(self) -> None:
        """Reload the files if one of them has changed."""
        if self._read_stamps() != self._stamps:
            self.reload()

    def _load(self) -> ssl.SSLContext:
        context, (certificate, key) = _new_context(), self._files
        for setting, file in (("tls_cert", certificate), ("tls_key", key)):
            _require_readable(setting, file)  # OpenSSL does not say which file
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            why = f": {getattr(error, 'strerror', None) or error}"
            if isinstance(error, ssl.SSLError):  # its strerror names a line of OpenSSL's binding
                why = f": {error.reason.replace('_', ' ').lower()}" if error.reason else ""
            raise SettingError(
                f"tls_cert {certificate}, tls_key {key}: must be a certificate chain and its"
                f" unencrypted key, both in PEM format{why}"
            ) from None
        return context

    def _read_stamps(self) -> _FileStamps:
        stamps = []
        for file in self._files:
            try:
                status = file.stat()
            except OSError:
                stamps.append((0, 0))
            else:
                stamps.append((status.st_mtime_ns, status.st_size))
        return tuple(stamps)

    @classmethod
    def from_settings(cls, settings: Settings) -> Certificate | None:
        """Return the certificate that the settings name, if any. Raises SettingError."""
        if settings.tls_cert is None and settings.tls_key is None:
            return None
        if settings.tls_cert is None or settings.tls_key is None:
            missing = "tls_cert" if settings.tls_cert is None else "tls_key"
            raise SettingError(f"{missing} is missing: a certificate and its key go together")
        return cls(settings.tls_cert, settings.tls_key)


def _require_readable(setting: str, file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise SettingError(f"{setting} {file} cannot be read: {error.strerror}") from None


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking for a password on the terminal."""
    raise ValueError("it is encrypted")
