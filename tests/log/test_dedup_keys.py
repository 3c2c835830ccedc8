"""Keys are equal exactly when client, source and id are."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from floorcast.log.dedup_keys import keys_of, keys_of_payload
from tests.log.batches import batch, event

Identity = tuple[int, str, str]

text = st.text(st.sampled_from("ab\n\\n\x001ü"), min_size=1, max_size=5)
identities = st.tuples(st.integers(0, 30), text, text)


def key(identity: Identity) -> bytes:
    client, source, name = identity
    return keys_of(client, [event(name, source)])[0]


@given(st.lists(identities, min_size=2, max_size=20))
@example([(1, "a\nb", "c"), (1, "a", "b\nc")])
@example([(1, "a\\", "nb"), (1, "a\n", "b")])
def test_keys_are_equal_when_the_identities_are(many: list[Identity]) -> None:
    """Whatever characters a source chooses."""
    for one, other in pairwise(sorted(many)):
        assert (key(one) == key(other)) == (one == other)


def test_a_stored_entry_gives_the_same_keys() -> None:
    """So that they can be made again from the log."""
    a_batch = batch(7, ["a", "b\n", "\x00", "📞"], "a\nsource")
    payload = b"\n".join(a_batch.lines)
    assert keys_of_payload(7, payload) == keys_of(7, a_batch.events)
