"""Training rows that are not in memory: tokenized in passing, into the cache or in each epoch."""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tfft.backbones.encoder import Encoder
from tfft.config import Experiment
from tfft.data.blocks import Block, make_block
from tfft.data.disk_cache import open_cache, write_cache
from tfft.data.examples import Examples, file_path
from tfft.data.shuffling import BUFFER_BLOCKS, StreamedRows, Tally
from tfft.data.streamed_examples import ROWS_AT_ONCE, StreamedExamples
from tfft.data.table import cut
from tfft.errors import DataError
from tfft.inference import tokenize_examples
from tfft.tasks.base import Task


def stream_rows(
    train: StreamedExamples,
    task: Task,
    encoder: Encoder,
    experiment: Experiment,
    cache: Path | None,
) -> StreamedRows:
    """The training rows as `data.cache` says.

    Args:
        train: the training examples.
        task: makes inputs and targets.
        encoder: has the tokenizer.
        experiment: `data.cache` is `disk` or `none`.
        cache: the directory for `disk`. What is there already is taken if it was made of the same
            files by the same settings. None: as with `none`.

    Raises:
        DataError: a data file is at fault, or there is no room on the disk.
    """

    def blocks(order: Sequence[int] | None = None) -> Iterator[Block]:
        return tokenized_blocks(train.parts(order), task, encoder)

    if cache is None or experiment.data.cache == "none":
        return LiveRows(blocks, len(train.files))
    mark = mark_of(experiment, task, encoder)
    return open_cache(cache, mark) or write_cache(cache, blocks(), mark)


class LiveRows(StreamedRows):
    """Rows that are read from their files and tokenized in each epoch.

    The files come in an order of their own in each epoch, the rows of one in theirs: what stands
    further apart than a buffer holds is not mixed.

    Args:
        blocks: the rows, given the order of the files.
        num_files: how many files there are.
    """

    def __init__(self, blocks: Callable[[Sequence[int]], Iterable[Block]], num_files: int) -> None:
        tally = Tally()
        for block in blocks(range(num_files)):
            tally.add(block)
        super().__init__(tally)
        self._blocks = blocks
        self._num_files = num_files

    def buffers(self, random: np.random.Generator) -> Iterator[list[Block]]:
        """The blocks as they come from the files, `BUFFER_BLOCKS` at a time.

        Raises:
            DataError: the files have pieces that were not there when the rows were counted.
        """
        blocks = self._blocks(random.permutation(self._num_files).tolist())
        yield from cut(map(self._checked, blocks), BUFFER_BLOCKS)

    def _checked(self, block: Block) -> Block:
        # The rows of the word table that are trained are chosen by the pieces of the first pass.
        known = self.used_pieces
        if known is not None and not np.isin(block.token_ids.values, known).all():
            raise DataError(
                "The training files have changed while they were trained on: there are new words "
                "in them. Leave them as they are, or set data.cache: disk, which reads them once."
            )
        return block


def tokenized_blocks(parts: Iterable[Examples], task: Task, encoder: Encoder) -> Iterator[Block]:
    """The rows of each part as a block; some parts are tokenized at the same time.

    Where examples have several rows, those of a part may be several blocks: a buffer is a number of
    blocks, and memory is to be as much as it is with one row an example.
    """
    vocabulary_size = encoder.tokenizer.vocabulary_size()

    def block_of(part: Examples) -> Block:
        return make_block(tokenize_examples(task, encoder, part), vocabulary_size)

    workers = os.cpu_count() or 1
    begun: deque[Future[Block]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for part in parts:
            begun.append(pool.submit(block_of, part))
            if len(begun) > workers:
                yield from begun.popleft().result().cut(ROWS_AT_ONCE)
        while begun:
            yield from begun.popleft().result().cut(ROWS_AT_ONCE)


def mark_of(experiment: Experiment, task: Task, encoder: Encoder) -> str:
    """Tells whether rows are made of the same files, with the same tokenizer, by the same settings.

    Of the files name, size and time of the last change are looked at.
    """
    data = experiment.data
    paths = [file_path(data.dir, file.path, file.format) for file in data.files("train")]
    files = [(path, os.stat(path)) for path in paths if os.path.exists(path)]
    made_of = {
        "files": [(path, about.st_size, about.st_mtime_ns) for path, about in files],
        "data": data.model_dump(mode="json", exclude={"cache", "dir"}),
        "task": experiment.task.model_dump(mode="json"),
        "labels": task.labels,
        "seed": experiment.seed,
        "pieces": [encoder.sequence_length, encoder.truncation],
        "folding": [encoder.lowercase, encoder.strip_accents],
        "vocabulary": list(encoder.tokenizer.get_vocabulary()),
        "merges": list(getattr(encoder.tokenizer, "merges", [])),
        "lowercase": getattr(encoder.tokenizer, "lowercase", None),
    }
    return hashlib.sha256(json.dumps(made_of).encode("utf-8")).hexdigest()
