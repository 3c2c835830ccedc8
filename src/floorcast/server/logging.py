"""The server's own log, which is structured, with one line per event on standard error."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

__all__ = ["set_up_log"]


class _Stderr:
    """Standard error that never raises.

    If it leads to a full disk or a closed pipe, the line is lost. An exception would make the
    request fail, or stop the thread that writes the log.
    """

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def set_up_log(level: str, form: str) -> None:
    """Log lines of ``level`` and above. ``form`` is text, json or auto (text on a terminal)."""
    stderr = cast("TextIO", _Stderr())
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    # plain tracebacks: richer ones print local variables, including keys and passwords
    last: list[structlog.typing.Processor] = (
        [
            _summarize_request,
            structlog.dev.ConsoleRenderer(
                exception_formatter=structlog.dev.plain_traceback, sort_keys=False
            ),
        ]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stderr),
        cache_logger_on_first_use=True,
    )
    # uvicorn and others use the standard library's logging, whose messages go the same way
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.root.level))


def _summarize_request(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Put a request's method, path, status and duration first, and omit what is unknown."""
    if event["event"] == "request" and "method" in event:
        method, path, status, took = (event.pop(n) for n in ("method", "path", "status", "ms"))
        event["event"] = f"{method} {path} {status} {took:.0f} ms"
    return {name: value for name, value in event.items() if value is not None}
