"""Windows over long texts, against plain Python."""

import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from tfft.serving.ops import served_operations, used_operations
from tfft.text.windows import cut_windows, owned, window_values

ROWS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=6)


def windows_of(length: int, size: int, overlap: int) -> list[range]:
    """The pieces of each window of one text."""
    windows = [range(min(size, length))]
    while windows[-1].stop < length:
        begin = windows[-1].stop - min(overlap, size - 1)
        windows.append(range(begin, min(begin + size, length)))
    return windows


def owner(piece: int, windows: list[range]) -> int:
    """The window that speaks for a piece, as BERT's run_squad finds it."""
    holding = [w for w, window in enumerate(windows) if piece in window]
    context = {w: min(piece - windows[w][0], windows[w][-1] - piece) for w in holding}
    return max(holding, key=lambda w: (context[w], -w))


@example([], 0)
@example([(0, 1), (0, 5)], 2)
@given(ROWS, st.integers(0, 14))
def test_equals_python(rows, overlap):
    lengths = tf.constant([length for length, _ in rows], tf.int64)
    sizes = tf.constant([size for _, size in rows], tf.int64)
    windows = cut_windows(lengths, sizes, overlap=overlap)
    expected = [windows_of(*row, overlap) for row in rows]
    flat = [(number, window) for number, row in enumerate(expected) for window in row]
    assert windows.example.numpy().tolist() == [number for number, _ in flat]
    assert windows.begins.numpy().tolist() == [window.start for _, window in flat]
    assert windows.ends.numpy().tolist() == [window.stop for _, window in flat]
    speaks = [
        [owner(piece, row) == w for piece in window]
        for row in expected
        for w, window in enumerate(row)
    ]
    assert owned(windows).to_list() == speaks
    values = tf.ragged.range(100 * tf.range(len(rows)), 100 * tf.range(len(rows)) + lengths.numpy())
    held = [[100 * number + piece for piece in window] for number, window in flat]
    assert window_values(values, windows).to_list() == held


@given(ROWS, st.integers(0, 14))
def test_exactly_one_window_speaks_for_a_piece(rows, overlap):
    lengths = tf.constant([length for length, _ in rows], tf.int64)
    windows = cut_windows(lengths, tf.constant([s for _, s in rows], tf.int64), overlap=overlap)
    positions = tf.ragged.range(windows.begins, windows.ends)
    speaking = tf.ragged.boolean_mask(positions, owned(windows))
    texts = tf.RaggedTensor.from_value_rowids(speaking, windows.example, nrows=len(rows))
    assert [sorted(row) for row in texts.merge_dims(1, 2).to_list()] == [
        list(range(length)) for length, _ in rows
    ]


def test_one_size_for_all_texts():
    windows = cut_windows([5, 0, 3], 3, overlap=1)
    assert [part.numpy().tolist() for part in windows] == [
        [0, 0, 1, 2],
        [0, 2, 0, 0],
        [3, 5, 0, 3],
    ]
    assert {part.dtype for part in windows} == {tf.int64}


def test_text_that_just_fits_is_one_window():
    assert cut_windows([8], 8, overlap=4).ends.numpy().tolist() == [8]
    assert cut_windows([9], 8, overlap=4).ends.numpy().tolist() == [8, 9]


def test_only_operations_that_servers_have(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
    def cut(pieces):
        windows = cut_windows(pieces.row_lengths(), 4, overlap=2)
        speaking = tf.cast(owned(windows).values, tf.int32)
        return {"pieces": window_values(pieces, windows).values * speaking}

    module.cut = cut
    tf.saved_model.save(module, str(tmp_path))
    assert used_operations(tmp_path) - served_operations() == set()
    pieces = tf.ragged.constant([[1, 2, 3, 4, 5, 6], []], dtype=tf.int32)
    assert cut(pieces)["pieces"].numpy().tolist() == [1, 2, 3, 0, 0, 4, 5, 6]
