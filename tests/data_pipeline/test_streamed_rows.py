"""Rows that are not in memory: the same batches, each row once, on disk in few bytes."""

import errno
import json
import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tfft.config import build_config
from tfft.data import disk_cache, shuffling, streamed_examples
from tfft.data.batching import FILLER, count_batches
from tfft.data.blocks import Block, Ragged, from_arrays, make_block, to_arrays
from tfft.data.cache_choice import choose_cache
from tfft.data.pipeline import TokenizedSet, training_dataset
from tfft.data.shuffling import epoch_batches, streamed_dataset
from tfft.data.streamed_examples import in_memory
from tfft.errors import ConfigError, DataError
from tfft.preparation import prepare

WORDS = ["the", "film", "was", "good", "bad", "not", ".", "xyz", "crème"]
ROWS = 300


def text_of(row):
    return " ".join(WORDS[(row * step) % len(WORDS)] for step in range(2, 4 + row % 11))


def row_of(number):
    return {
        "text": text_of(number),
        "pair": text_of(number + 5),
        "label": "abc"[number % 3],
        "labels": [name for place, name in enumerate("abcde") if number >> place & 1],
        "number": number / 7,
        "weight": 1 + number / 100,
    }


KINDS = {
    "single": {},
    "weighted": {"columns": {"sample_weight": "weight"}},
    "pair": {"columns": {"text_pair": "pair"}},
    "multi": {"columns": {"label": "labels"}, "task": {"multi_label": True}},
    "number": {"columns": {"label": "number"}, "task": {"name": "regression"}},
    "cut": {"task": {"name": "masked_lm", "join_lines": False}},
    "joined": {"task": {"name": "masked_lm"}},
}


class Files:
    """Training files in a folder, and trainings on them."""

    def __init__(self, folder, vocabulary):
        self.folder = folder
        self.cache = folder / "run" / "cache"
        self.vocabulary = str(vocabulary)
        self.write(map(row_of, range(ROWS)))

    def write(self, rows, name="train.jsonl"):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (self.folder / name).write_text(lines, "utf-8")

    def config(self, cache, *, task=None, columns=None, sequence_length=16, **data):
        sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
        return build_config(
            {
                "name": "streamed",
                "output_dir": str(self.folder / "run"),
                "task": task or {},
                "backbone": {
                    "preset": "random",
                    "vocabulary": self.vocabulary,
                    "sequence_length": sequence_length,
                    **sizes,
                },
                "data": {
                    "dir": str(self.folder),
                    "train": "train.jsonl",
                    "columns": columns or {},
                    "cache": cache,
                    **data,
                },
            }
        )

    def prepare(self, cache, **options):
        return prepare(self.config(cache, **options), self.cache)


@pytest.fixture
def files(tmp_path, vocabulary):
    return Files(tmp_path, vocabulary)


@pytest.fixture
def small_buffers(monkeypatch):
    """Blocks of 16 rows, four of them in a buffer: 300 rows need five buffers."""
    monkeypatch.setattr(streamed_examples, "ROWS_AT_ONCE", 16)
    for module in ("tfft.data.disk_cache", "tfft.streaming"):
        monkeypatch.setattr(f"{module}.BUFFER_BLOCKS", 4)


def steps_of(prepared, epochs=2, **options):
    """The steps of the first epochs, as arrays."""
    rows = prepared.train
    make = training_dataset if isinstance(rows, TokenizedSet) else streamed_dataset
    dataset, steps = make(rows, prepared.encoder.pad, **{"batch_size": 32, "seed": 3} | options)
    return steps, list(dataset.take(epochs * steps).as_numpy_iterator()), dataset.element_spec


# ------------------------------------------------------------------------- the same as in memory


@pytest.mark.parametrize(
    ("cache", "kind"), [*(("disk", kind) for kind in KINDS), ("none", "pair"), ("none", "multi")]
)
def test_the_batches_are_those_of_memory(files, kind, cache):
    memory = files.prepare("memory", **KINDS[kind])
    streamed = files.prepare(cache, **KINDS[kind])
    for options in ({}, {"declared_lengths": (8, 16), "accumulate": 4}):
        expected_steps, expected, spec = steps_of(memory, **options)
        steps, batches, streamed_spec = steps_of(streamed, **options)
        assert (steps, streamed_spec) == (expected_steps, spec)
        assert len(batches) == len(expected) == 2 * steps
        tf.nest.map_structure(np.testing.assert_array_equal, batches, expected)
        types = tf.nest.map_structure(lambda array: array.dtype, [batches, expected])
        assert types[0] == types[1]


def test_the_task_is_that_of_memory(files):
    for kind in ("multi", "number"):
        options = {**KINDS[kind]}
        if kind == "multi":
            options["task"] = {"multi_label": True, "class_weights": "balanced"}
        one, other = (files.prepare(cache, **options).task for cache in ("memory", "disk"))
        assert one.labels == other.labels
        if kind == "multi":
            assert one.class_weights == other.class_weights
            np.testing.assert_array_equal(one.label_shares, other.label_shares)
        else:
            assert (one.mean, one.deviation) == pytest.approx((other.mean, other.deviation))


def test_files_are_read_one_after_the_other(files):
    files.write(map(row_of, range(100)), "more.jsonl")
    names = ["train.jsonl", "more.jsonl"]
    _, expected, _ = steps_of(files.prepare("memory", train=names))
    _, batches, _ = steps_of(files.prepare("disk", train=names))
    tf.nest.map_structure(np.testing.assert_array_equal, batches, expected)


def test_a_format_that_is_read_as_a_whole_is_cached_as_well(files):
    (files.folder / "train.json").write_text(json.dumps([row_of(n) for n in range(ROWS)]))
    _, expected, _ = steps_of(files.prepare("memory"))
    _, batches, _ = steps_of(files.prepare("disk", train="train.json"))
    tf.nest.map_structure(np.testing.assert_array_equal, batches, expected)


# ------------------------------------------------------------------------------- several buffers


def numbers_of(prepared, epochs=1, **options):
    """For each step the numbers of its real rows; they are the rows' targets."""
    steps, batches, _ = steps_of(prepared, epochs, **options)
    return steps, [targets[weight > 0].ravel() for _, targets, weight in batches]


@pytest.fixture
def numbered(files):
    """Rows whose target tells which they are."""
    files.write({**row_of(row), "number": row} for row in range(ROWS))
    return files


@pytest.mark.parametrize("cache", ["disk", "none"])
@pytest.mark.parametrize("options", [{}, {"declared_lengths": (8, 16)}], ids=str)
def test_each_row_is_there_once_in_each_epoch(numbered, small_buffers, cache, options):
    prepared = numbered.prepare(cache, **KINDS["number"])
    steps, batches = numbers_of(prepared, 3, **options)
    epochs = [np.concatenate(batches[n * steps : (n + 1) * steps]).tolist() for n in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(ROWS))
    assert len({tuple(epoch) for epoch in epochs}) == 3
    again = numbers_of(prepared, 3, **options)[1]
    tf.nest.map_structure(np.testing.assert_array_equal, again, batches)
    other = numbers_of(prepared, 1, seed=4, **options)[1]
    assert np.concatenate(other).tolist() != epochs[0]


def test_only_the_last_batch_is_not_full(numbered, small_buffers):
    steps, batches = numbers_of(numbered.prepare("disk", **KINDS["number"]))
    assert steps == -(-ROWS // 32)
    assert sorted(map(len, batches)) == [ROWS % 32, *[32] * (steps - 1)]


def test_a_buffer_mixes_rows_from_the_whole_file(numbered, small_buffers):
    batches = numbers_of(numbered.prepare("disk", **KINDS["number"]))[1]
    first_buffer = np.concatenate(batches[:2])
    assert np.ptp(first_buffer) > ROWS / 2


def test_rows_of_a_batch_are_of_similar_length(numbered, small_buffers):
    _, batches, _ = steps_of(numbered.prepare("disk"), 1)
    masks = [features["padding_mask"] for features, _, _ in batches]
    assert sum(mask.sum() for mask in masks) > 0.75 * sum(mask.size for mask in masks)


def test_a_resumed_order_is_what_it_would_have_been(numbered, small_buffers):
    prepared = numbered.prepare("disk", **KINDS["number"])
    steps, whole = numbers_of(prepared, 4)
    _, resumed = numbers_of(prepared, 2, first_epoch=2)
    tf.nest.map_structure(np.testing.assert_array_equal, resumed, whole[2 * steps :])


@pytest.mark.parametrize("seed", range(20))
def test_the_number_of_batches_is_known_before(seed):
    random = np.random.default_rng(seed)
    batch_size, declared = int(random.integers(1, 9)), [(), (4, 8, 16), (16,)][seed % 3]
    rows = [blocks_of(random, count) for count in random.integers(1, 60, 5)]
    source = Fixed([[block] for block in rows])
    accumulate = int(random.integers(1, 4))
    options = {"declared_lengths": declared, "multiple_of": accumulate}
    batches = list(epoch_batches(source, batch_size, seed=seed, epoch=0, **options))
    assert len(batches) == count_batches(source.length_counts, batch_size, **options)
    seen = [rows.targets[batch.rows[batch.rows != FILLER]] for rows, batch in batches]
    given = [block.targets for block in rows]
    assert Counter(np.concatenate(seen)) == Counter(np.concatenate(given))


def blocks_of(random, rows):
    lengths = random.integers(2, 17, rows)
    ids = Ragged(np.zeros(lengths.sum(), "uint16"), lengths)
    targets = random.integers(0, 2**16, rows).astype("uint16")
    return Block(ids, None, targets, 0, np.ones(rows, "float32"))


class Fixed(shuffling.StreamedRows):
    """Buffers that are given."""

    def __init__(self, buffers):
        tally = shuffling.Tally()
        for block in (block for buffer in buffers for block in buffer):
            tally.add(block)
        super().__init__(tally)
        self._buffers = buffers

    def buffers(self, random):
        return iter(self._buffers)


# -------------------------------------------------------------------------------------- on disk


@pytest.mark.parametrize("kind", KINDS)
def test_takes_at_most_two_and_a_half_bytes_a_piece(files, kind):
    rows_of_two = ({**row_of(n), "text": f"{text_of(n)} {text_of(n + 1)}"} for n in range(ROWS))
    files.write(rows_of_two)
    rows = files.prepare("disk", sequence_length=64, **KINDS[kind]).train
    assert 15 * ROWS < rows.tally.num_pieces < 40 * ROWS  # as in sentences
    assert rows.num_bytes <= 2.5 * rows.tally.num_pieces


@pytest.mark.parametrize(("size", "dtype"), [(2**16, "uint16"), (2**16 + 1, "uint32")])
def test_ids_take_two_bytes_up_to_65536(size, dtype):
    ids = tf.ragged.constant([[2, size - 1, 3], [2, 3]], dtype=tf.int32)
    lengths, weights = np.array([3, 2]), np.ones(2, "float32")
    rows = TokenizedSet({"token_ids": ids}, lengths, np.array([1, 0], "int32"), weights)
    arrays = to_arrays(make_block(rows, size))
    assert arrays[0].dtype == dtype
    block = from_arrays(arrays, has_segments=False)
    assert block.token_ids.values.tolist() == [2, size - 1, 3, 2, 3]
    assert block.dense_targets().tolist() == [1, 0]


def test_a_cache_of_the_same_is_taken_again(files, monkeypatch):
    before = steps_of(files.prepare("disk"))[1]
    monkeypatch.setattr("tfft.streaming.write_cache", None)
    tf.nest.map_structure(np.testing.assert_array_equal, steps_of(files.prepare("disk"))[1], before)


def change_time(files):
    os.utime(files.folder / "train.jsonl", ns=(1, 1))
    return {}


def change_vocabulary(files):
    own = files.folder / "vocab.txt"
    with open(files.vocabulary, encoding="utf-8") as vocabulary:
        own.write_text(vocabulary.read() + "xyz\n", "utf-8")
    files.vocabulary = str(own)
    return {}


CHANGES = {
    "file": change_time,
    "vocabulary": change_vocabulary,
    "length": lambda files: {"sequence_length": 8},
    "cleaning": lambda files: {"cleaning": ["strip"]},
    "labels": lambda files: {"task": {"labels": ["c", "b", "a"]}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_cache_of_something_else_is_made_anew(files, change):
    mark = lambda: json.loads((files.cache / "cache.json").read_text())["mark"]  # noqa: E731
    files.prepare("disk")
    before = mark()
    options = CHANGES[change](files)
    expected = steps_of(files.prepare("memory", **options))[1]
    batches = steps_of(files.prepare("disk", **options))[1]
    assert mark() != before
    tf.nest.map_structure(np.testing.assert_array_equal, batches, expected)


def test_half_a_cache_is_made_anew(files):
    files.prepare("disk")
    (files.cache / "cache.json").write_text("{")
    expected = steps_of(files.prepare("memory"))[1]
    tf.nest.map_structure(
        np.testing.assert_array_equal, steps_of(files.prepare("disk"))[1], expected
    )


def test_a_full_disk_is_told_and_leaves_nothing(files, monkeypatch):
    monkeypatch.setattr(disk_cache, "ROWS", "/dev/full")
    with pytest.raises(DataError, match=r"the disk is full.*data\.cache: none"):
        files.prepare("disk")
    assert not files.cache.exists()


def test_a_directory_that_cannot_be_written_to_is_told(files, monkeypatch):
    def fail(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(disk_cache, "_write_rows", fail)
    with pytest.raises(DataError, match="Read-only file system"):
        files.prepare("disk")


# ------------------------------------------------------------------------------- what is at fault


BAD = {
    "json": ('{"text": "good", ', r"train\.jsonl:201:.* not JSON"),
    "empty": (json.dumps({**row_of(0), "text": " "}), r"train\.jsonl:201: the text is empty"),
    "no label": (json.dumps({**row_of(0), "label": ""}), r"train\.jsonl:201: the label is empty"),
    "kind": ("[1]", r"train\.jsonl:201: found a list"),
    "unknown": (json.dumps({**row_of(0), "label": "d"}), r"train\.jsonl:201: the label 'd'"),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("cache", ["disk", "none"])
def test_a_bad_row_is_named_by_its_line(files, small_buffers, fault, cache):
    line, message = BAD[fault]
    path = files.folder / "train.jsonl"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([*lines[:200], line, *lines[200:]]), "utf-8")
    with pytest.raises(DataError, match=message):
        files.prepare(cache, task={"labels": ["a", "b", "c"]})
    assert not files.cache.exists()


def test_rows_with_an_empty_text_can_be_skipped(files):
    files.write({**row_of(row), "text": "" if row % 10 == 0 else "good"} for row in range(ROWS))
    prepared = files.prepare("disk", empty_text="skip")
    assert len(prepared.train) == len(prepared.splits["train"]) == 270
    assert prepared.splits["train"].num_empty == 30


def test_a_file_without_rows_is_refused(files):
    files.write([])
    with pytest.raises(DataError, match=r"train\.jsonl has no rows"):
        files.prepare("disk")


def test_one_class_is_refused(files):
    files.write({**row_of(row), "label": "a"} for row in range(ROWS))
    with pytest.raises(DataError, match="all 300 training rows have the same label"):
        files.prepare("disk")


@pytest.mark.parametrize("task", ["token_classification", "question_answering"])
def test_tasks_that_are_kept_in_memory_refuse_another_cache(files, task):
    with pytest.raises(ConfigError, match=f"cache: disk does not go with {task}"):
        files.config("disk", task={"name": task})


# --------------------------------------------------------------------------------------- shares


def test_the_first_rows_end_where_there_is_enough_text(numbered, small_buffers):
    train = numbered.prepare("disk", **KINDS["number"]).splits["train"]
    whole = in_memory(train, ROWS)
    few = in_memory(train, ROWS, 100)
    assert len(whole) == ROWS
    assert 0 < len(few) < ROWS
    assert few.texts["text"] == whole.texts["text"][: len(few)]


def test_shares_are_drawn_row_by_row(numbered, small_buffers):
    shares = {"validation_fraction": 0.2, "test_fraction": 0.1}
    prepared = numbered.prepare("disk", **KINDS["number"], **shares)
    splits = {name: in_memory(split).labels for name, split in prepared.splits.items()}
    assert list(splits) == ["train", "validation", "test"]
    assert sorted(label for labels in splits.values() for label in labels) == list(range(ROWS))
    assert 40 <= len(splits["validation"]) <= 80 and 15 <= len(splits["test"]) <= 45
    assert sorted(np.concatenate(numbers_of(prepared)[1])) == splits["train"]


def test_shares_do_not_depend_on_how_much_is_read_at_once(numbered, monkeypatch):
    drawn = []
    for rows in (16, 100):
        monkeypatch.setattr(streamed_examples, "ROWS_AT_ONCE", rows)
        prepared = numbered.prepare("none", **KINDS["number"], validation_fraction=0.2)
        drawn.append(prepared.splits["validation"].labels)
    assert drawn[0] == drawn[1]


def test_a_share_without_rows_is_refused(files):
    files.write(map(row_of, range(3)))
    with pytest.raises(DataError, match="leaves no rows for test"):
        files.prepare("disk", test_fraction=0.01)


# --------------------------------------------------------------------------------------- choice


def test_the_cache_is_chosen_by_size(files, monkeypatch):
    small, said = choose_cache(files.config(None))
    assert small == files.config(None) and "memory, for 0 MB" in said
    size = (files.folder / "train.jsonl").stat().st_size
    monkeypatch.setattr("tfft.data.cache_choice.MOST_IN_MEMORY", size - 1)
    large, said = choose_cache(files.config(None))
    assert large.data.cache == "disk" and "data.cache: disk, for" in said
    assert choose_cache(files.config("memory"))[0].data.cache == "memory"
    tagging = files.config(None, task={"name": "token_classification"})
    assert choose_cache(tagging)[0].data.cache is None


def test_without_room_on_the_disk_nothing_is_cached(files, monkeypatch):
    monkeypatch.setattr("tfft.data.cache_choice.MOST_IN_MEMORY", 1)
    monkeypatch.setattr("tfft.data.cache_choice.room_for", lambda path: 5)
    chosen, said = choose_cache(files.config(None))
    assert chosen.data.cache == "none" and "are free for output_dir" in said


def test_a_resumed_run_keeps_its_cache(files, monkeypatch):
    monkeypatch.setattr("tfft.data.cache_choice.MOST_IN_MEMORY", 1)
    before = files.config("none")
    assert choose_cache(files.config(None), before=before)[0].data.cache == "none"
    given = files.config("disk")
    assert choose_cache(given, before=before)[0] == given


def test_packed_files_count_as_what_is_in_them(files, monkeypatch):
    plain = files.folder / "train.jsonl"
    packed = files.folder / "train.jsonl.gz"
    packed.write_bytes(plain.read_bytes())
    monkeypatch.setattr("tfft.data.cache_choice.MOST_IN_MEMORY", plain.stat().st_size)
    assert choose_cache(files.config(None))[0].data.cache is None
    assert choose_cache(files.config(None, train="train.jsonl.gz"))[0].data.cache == "disk"


def test_a_folder_is_read_as_a_whole_and_stays_in_memory(files, monkeypatch):
    monkeypatch.setattr("tfft.data.cache_choice.MOST_IN_MEMORY", 1)
    config = files.config(None, train=str(files.folder))
    assert choose_cache(config)[0].data.cache is None
    missing = files.config(None, train="nowhere.jsonl")
    assert choose_cache(missing)[0].data.cache is None


# ---------------------------------------------------------------------------------------- parts


def test_ragged_rows_in_any_order():
    rows = Ragged(np.array([1, 2, 3, 4, 5, 6], "uint16"), np.array([2, 0, 3, 1]))
    taken = rows.take(np.array([2, 1, 0, 2]))
    assert taken.values.tolist() == [3, 4, 5, 1, 2, 3, 4, 5]
    assert taken.lengths.tolist() == [3, 0, 2, 3]
    assert rows.take(np.array([], "int64")).values.tolist() == []


def test_blocks_are_what_was_written():
    random = np.random.default_rng(0)
    block = blocks_of(random, 20)
    labels = Ragged(np.array([0, 3, 1]), np.array([1, 0, 2] + [0] * 17))
    block = replace(block, targets=labels, num_labels=4, first_lengths=block.token_ids.lengths // 2)
    again = from_arrays(to_arrays(block), has_segments=True, num_labels=4)
    np.testing.assert_array_equal(again.first_lengths, block.first_lengths)
    np.testing.assert_array_equal(again.dense_targets(), block.dense_targets())
    assert again.dense_targets()[2].tolist() == [0, 1, 0, 1]
