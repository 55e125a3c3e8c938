"""The word table while it is trained: the rows of the pieces that occur, and one for all others.

A vocabulary has far more pieces than the texts of one task. The row of a piece that no batch has
gets gradients of 0, so that AdamW only decays it, and all such rows by the same factor. In plain
training the optimizer yet carries gradients and moments of 0 for them through each step. Here one
row of ones goes in their place: what decay makes of it is what it would have made of theirs.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfft.backbones.transformer import Transformer

# With more than this share of the rows in use too little is spared.
MOST_USED = 0.8


class UsedRows:
    """Some rows of a word table, which are trained in place of the whole.

    The embedding's own weight rests and keeps the values from which it began. Files of weights are
    written and read as if it were trained: with the whole table, decayed rows and all.

    Args:
        embedding: a built `keras.layers.Embedding` with no other weights.
        ids: int (used,), the pieces whose rows are trained, none twice.

    Attributes:
        table: the weight that is trained, (used + 1, hidden_dim); the last row is that of ones.
    """

    def __init__(self, embedding: Any, ids: np.ndarray) -> None:
        self.embedding = embedding
        self.ids = ids
        # Of each piece the row in `table`, of those that do not occur the last.
        self.places = np.full(embedding.input_dim, len(ids), "int32")
        self.places[ids] = np.arange(len(ids))
        whole = embedding.embeddings
        self.table = keras.Variable(
            self._part(ops.convert_to_numpy(whole), 1.0), dtype=whole.dtype, name=whole.name
        )
        whole.trainable = False
        # In the embedding itself, so that weights and moments keep their order in the model.
        embedding._tracker.unlock()
        embedding.used_rows = self.table
        embedding._tracker.lock()
        embedding.save_own_variables, embedding.load_own_variables = self._save, self._load

    def __call__(self, ids: Any) -> Any:
        """The vectors of pieces, as the embedding gives them: int (...) to (..., hidden_dim)."""
        vectors = ops.take(self.table, ops.take(self.places, ids, axis=0), axis=0)
        return ops.cast(vectors, self.embedding.compute_dtype)

    def whole_table(self) -> np.ndarray:
        """The table as plain training would have it now, (vocabulary_size, hidden_dim)."""
        table = ops.convert_to_numpy(self.table)
        whole = ops.convert_to_numpy(self.embedding.embeddings) * table[-1]
        whole[self.ids] = table[:-1]
        return whole

    def whole_moment(self, moment: np.ndarray) -> np.ndarray:
        """What the optimizer would keep of the whole table, given what it keeps of `table`."""
        return moment[self.places]

    def part_of_moment(self, whole: np.ndarray) -> np.ndarray:
        """The reverse of `whole_moment`."""
        return self._part(whole, 0.0)

    def remove(self) -> None:
        """Makes the embedding a plain one again, with the values that its own weight has."""
        embedding = self.embedding
        del embedding.used_rows, embedding.save_own_variables, embedding.load_own_variables
        embedding.embeddings.trainable = True

    def _part(self, whole: np.ndarray, others: float) -> np.ndarray:
        return np.concatenate([whole[self.ids], np.full_like(whole[:1], others)])

    def _save(self, store: Any) -> None:
        store["0"] = self.whole_table()

    def _load(self, store: Any) -> None:
        self.embedding.embeddings.assign(store["0"])
        self.table.assign(self._part(np.asarray(store["0"]), 1.0))


@contextlib.contextmanager
def used_rows(model: Any, ids: np.ndarray | None) -> Iterator[None]:
    """For a while a model trains only the rows of its word table that are used.

    Nothing changes where more than the encoder reads the table, such as a head that is tied to it.

    The model ends as after plain training, up to the rounding of a product. Meanwhile it is for
    texts of these pieces alone. After an exception the table is the one from before.

    Args:
        model: a Keras model; nothing changes for one without a `Transformer`, or whose word table
            is frozen.
        ids: int (used,), all pieces that are looked up meanwhile, none twice; None: not known.
            Nothing changes where that are most of the vocabulary.
    """
    encoder = _encoder(model)
    table = encoder and encoder.backbone.token_embedding
    if encoder is None or ids is None or _is_shared(model, table) or not _pays(table, len(ids)):
        yield
        return
    rows = encoder.words = UsedRows(table, ids)
    _forget_functions(model)
    try:
        yield
        rows.embedding.embeddings.assign(rows.whole_table())
    finally:
        encoder.words = None
        rows.remove()
        _forget_functions(model)


def whole_values(model: Any, variables: Sequence[Any]) -> list[np.ndarray]:
    """What variables hold, moments of used rows as those of a whole table; see `used_rows`."""
    moments = _moments(model)
    values = [ops.convert_to_numpy(variable) for variable in variables]
    return [
        moments[id(variable)].whole_moment(value) if id(variable) in moments else value
        for variable, value in zip(variables, values, strict=True)
    ]


def assign_whole_values(model: Any, variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Sets variables to what `whole_values` returned."""
    moments = _moments(model)
    for variable, value in zip(variables, values, strict=True):
        rows = moments.get(id(variable))
        variable.assign(rows.part_of_moment(value) if rows else value)


def _moments(model: Any) -> dict[int, UsedRows]:
    """What the optimizer keeps of a table of used rows, by the variables' `id`."""
    encoder = _encoder(model)
    if encoder is None or encoder.words is None:
        return {}
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    index = optimizer._get_variable_index(encoder.words.table)
    names = ("_momentums", "_velocities", "_accumulated_gradients")
    kept = [getattr(optimizer, name) for name in names if hasattr(optimizer, name)]
    return {id(variables[index]): encoder.words for variables in kept}


def _encoder(model: Any) -> Transformer | None:
    return next((layer for layer in model.layers if isinstance(layer, Transformer)), None)


def _is_shared(model: Any, embedding: Any) -> bool:
    """Whether more than one layer of a model holds the table."""
    holders = [any(each is embedding for each in _all(layer)) for layer in model.layers]
    return sum(holders) > 1


def _all(layer: Any) -> list[Any]:
    return list(layer._flatten_layers())


def _pays(embedding: Any, used: int) -> bool:
    is_trained_alone = [weight.trainable for weight in embedding.weights] == [True]
    return is_trained_alone and used + 1 <= MOST_USED * embedding.input_dim


def _forget_functions(model: Any) -> None:
    # Keras would go on with what it has compiled for the other table.
    model.train_function = model.test_function = model.predict_function = None
