"""Opens the key-value store for a command, without opening the log."""

from __future__ import annotations

from contextlib import AsyncExitStack

from floorcast.config.settings import Settings
from floorcast.kv.folder import IN_MEMORY, open_kv
from floorcast.kv.port import KeyValueStore
from floorcast.log.data_folder import require_folder
from floorcast.model.errors import SettingError
from floorcast.server.stores import require_nats

__all__ = ["open_admin_store"]


async def open_admin_store(
    stack: AsyncExitStack, settings: Settings, *, create: bool
) -> KeyValueStore:
    """Open the key-value store in the data folder or the cluster. ``stack`` closes it.

    Raises SettingError if the store does not exist and ``create`` is false, and Unavailable if the
    cluster does not respond.
    """
    if settings.log != "embedded":
        return await _cluster(stack, settings, create=create)
    if not create or settings.data == IN_MEMORY:
        require_folder(settings.data)
    if not create and not (settings.data / "admin.db").exists():
        raise SettingError(
            f"{settings.data} holds no site yet: floorcast site apply FILE --data {settings.data}"
        )
    kv = open_kv(settings.data)
    stack.push_async_callback(kv.close)
    return kv


async def _cluster(stack: AsyncExitStack, settings: Settings, *, create: bool) -> KeyValueStore:
    require_nats()
    from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore  # noqa: PLC0415 — an extra
    from floorcast.cluster.link import COMMAND_TIMEOUT_SECONDS, NatsLink  # noqa: PLC0415 — an extra

    link = await NatsLink.open(settings.log, "floorcast command", patience=COMMAND_TIMEOUT_SECONDS)
    stack.push_async_callback(link.close)
    kv = await JetStreamKeyValueStore.open(link, settings.replicas, create_missing=create)
    stack.push_async_callback(kv.close)
    return kv
