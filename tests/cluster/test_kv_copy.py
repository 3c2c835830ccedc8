"""Tests of a node's copy of the key-value store, which the stream's messages build."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.cluster.kv_copy import KeyMessage, KeyState, StoreCopy

KEYS = st.sampled_from(["a", "b", "c"])
WRITES = st.lists(
    st.dictionaries(st.tuples(KEYS, KEYS), st.none() | st.binary(max_size=12), min_size=1),
    max_size=20,
)
Writes = list[dict[tuple[str, str], bytes | None]]


def messages(writes: Writes, piece: int) -> list[list[KeyMessage]]:
    """Return the stream's messages for some writes, with values split into parts of this size."""
    seq = 0
    found = []
    for write in writes:
        together = []
        for (bucket, key), value in write.items():
            cut = [(value or b"")[at : at + piece] for at in range(0, len(value or b""), piece)]
            cut = cut or [b""]
            for number, part in enumerate(cut[:-1], 1):
                together.append(KeyMessage(bucket, key, part, seq := seq + 1, number))
            last = None if value is None else cut[-1]
            parts = len(cut) if len(cut) > 1 else 0
            together.append(KeyMessage(bucket, key, last, seq := seq + 1, 0, parts))
        found.append(together)
    return found


def model(writes: Writes) -> dict[str, dict[str, bytes]]:
    """Return the content of the key-value store after the writes."""
    values: dict[str, dict[str, bytes]] = {bucket: {} for bucket in "abc"}
    for write in writes:
        for (bucket, key), value in write.items():
            values[bucket].pop(key, None)
            if value is not None:
                values[bucket][key] = value
    return values


@given(WRITES, st.integers(1, 12), st.integers(0, 20))
def test_copy_equals_the_store_from_any_starting_point(writes: Writes, piece: int, at: int) -> None:
    """A copy that reads everything equals one that starts from the last message of each key."""
    stream = messages(writes, piece)
    followed, joined = StoreCopy(), StoreCopy()
    for together in stream:
        followed.apply(together)
    last = {(one.bucket, one.key, one.part): one for together in stream[:at] for one in together}
    joined.replace_all(sorted(last.values(), key=lambda one: one.seq))
    for together in stream[at:]:
        joined.apply(together)
    for bucket, kept in model(writes).items():
        assert followed.items(bucket) == joined.items(bucket) == kept
    assert followed.seq == joined.seq


@given(WRITES, WRITES)
def test_reread_copy_reports_the_changes(before: Writes, meanwhile: Writes) -> None:
    """A listener that applies the changes has the content of the store."""
    stream = messages([*before, *meanwhile], 12)
    copy, told = StoreCopy(), dict[str, bytes]()

    def on_change(key: str, value: bytes | None) -> None:
        told.pop(key, None)
        if value is not None:
            told[key] = value

    copy.listen("a", on_change)
    for together in stream[: len(before)]:
        copy.apply(together)
    version = copy.version("a")
    # deleted keys are no longer in the stream
    values = model([*before, *meanwhile])
    last = {(one.bucket, one.key): one for together in stream for one in together if not one.part}
    copy.replace_all([one for one in last.values() if one.value is not None])
    assert told == copy.items("a") == values["a"]
    assert (copy.version("a") == version) or any("a" in {b for b, _ in w} for w in meanwhile)


def test_large_value_with_missing_parts_is_not_shown() -> None:
    """A later write has replaced the missing parts, and its messages follow."""
    copy = StoreCopy()
    copy.apply([KeyMessage("a", "k", b"old", 1)])
    copy.apply([KeyMessage("a", "k", b"second", 3, 0, 2)])
    assert copy.items("a") == {"k": b"old"}
    copy.apply([KeyMessage("a", "k", b"x", 4, 1), KeyMessage("a", "k", b"y", 5, 0, 2)])
    assert copy.items("a") == {"k": b"xy"}


def test_missing_key_counts_as_lost_until_deletions_expire() -> None:
    """Once deletions expire, a missing key may have been deleted."""
    copy = StoreCopy()
    copy.apply([KeyMessage("site", "1", b"x", 1), KeyMessage("site", "2", None, 2)])
    for kept, loss in ((True, "a key of site"), (False, "")):
        assert copy.find_loss([KeyMessage("site", "3", b"y", 3)], deletions_kept=kept) == loss
        assert not copy.find_loss([KeyMessage("site", "1", None, 3)], deletions_kept=kept)


def test_folder_detects_messages_that_the_stream_lost() -> None:
    """If a key's message is older than the known one, the stream has lost the newer message."""
    copy = StoreCopy()
    copy.load({("site", "1"): KeyState(b"x", 7)}, 50)
    assert (copy.key_state("site", "1").value, copy.at) == (b"x", 50)
    assert copy.find_loss([KeyMessage("site", "1", b"w", 5)], deletions_kept=False)
    assert copy.find_loss([KeyMessage("site", "1", b"w", 7)], deletions_kept=False)
    assert not copy.find_loss([KeyMessage("site", "1", b"x", 7)], deletions_kept=True)
    assert not copy.find_loss([KeyMessage("site", "1", b"y", 8)], deletions_kept=True)
