"""Makes what TensorFlow serves: tfft's export, KerasHub's plain export, and the requests.

Not timed. The models' answers do not matter, so they are trained for a step or two.
"""

import itertools
import json
import random
from pathlib import Path
from typing import Any

from common import import_tensorflow, read_rows, run_contender

REQUESTS_A_LENGTH = 16
REQUESTS_NATURAL = 64
BATCHES = 8


def contend(order: dict[str, Any]) -> dict[str, Any]:
    """Writes run/export/1, plain, plain_text_LENGTH and requests.json in the folder `place`."""
    import_tensorflow(order["threads"])
    place = Path(order["place"])
    settings = {
        "data.dir": order["part"],
        "output_dir": place / "run",
        "backbone.sequence_length": order["sequence_length"],
        "training.epochs": 1,
    }
    import tfft.fit

    code = tfft.fit.fit(order["config"], [f"{key}={value}" for key, value in settings.items()])
    if code:
        raise SystemExit(code)
    write_plain_exports(place, order["plain_lengths"])
    requests = build_requests(order)
    (place / "requests.json").write_text(json.dumps(requests), "utf-8")
    return {"requests": {kind: len(batches) for kind, batches in requests["texts"].items()}}


def write_plain_exports(place: Path, lengths: list[int]) -> None:
    """What KerasHub's users write: `model.export`, and the same behind the preprocessor."""
    import keras
    import keras_hub
    import tensorflow as tf

    classifier = keras_hub.models.TextClassifier.from_preset(str(place / "run" / "preset"))
    classifier.export(str(place / "plain"), verbose=False)
    for length in lengths:
        classifier.preprocessor.sequence_length = length
        archive = keras.export.ExportArchive()
        archive.track(classifier)
        archive.add_endpoint(
            name="serve",
            fn=lambda text: classifier(classifier.preprocessor(text), training=False),
            input_signature=[tf.TensorSpec([None], tf.string, name="text")],
        )
        archive.write_out(str(place / f"plain_text_{length}"), verbose=False)


def build_requests(order: dict[str, Any]) -> dict[str, Any]:
    """Texts and their ids, by kind: one text of so many pieces, or a batch of natural ones."""
    import tfft

    encoder = tfft.load_encoder("minilm", sequence_length=order["sequence_length"])
    sentences, _ = read_rows(order["texts"], seed=0)
    words = " ".join(sentences).split()
    pieces = dict(zip(words, (encoder.lengths([words]) - 2).numpy().tolist(), strict=True))
    texts = {
        str(length): [[text] for text in texts_of(length, words, pieces)]
        for length in order["lengths"]
    }
    for length, batches in texts.items():
        found = {int(encoder.lengths([batch])[0]) for batch in batches}
        assert found == {int(length)}, f"texts of {length} pieces have {found}"
    rows = itertools.cycle(sentences)
    texts["natural"] = [[next(rows)] for _ in range(REQUESTS_NATURAL)]
    texts["batch"] = [list(itertools.islice(rows, order["batch_size"])) for _ in range(BATCHES)]
    ids = {
        kind: [encoder.features([batch])["token_ids"].to_list() for batch in batches]
        for kind, batches in texts.items()
    }
    return {"texts": texts, "ids": ids}


def texts_of(length: int, words: list[str], pieces: dict[str, int]) -> list[str]:
    """Texts of real words that have exactly so many pieces, special ones included."""
    source = random.Random(length)
    found = []
    for _ in range(REQUESTS_A_LENGTH):
        chosen: list[str] = []
        missing = length - 2
        while missing:
            word = source.choice(words)
            if 0 < pieces[word] <= missing:
                chosen.append(word)
                missing -= pieces[word]
        found.append(" ".join(chosen))
    return found


if __name__ == "__main__":
    run_contender(contend)
