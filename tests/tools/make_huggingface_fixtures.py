"""Writes tests/data/huggingface/: tiny random checkpoints, and what transformers makes of them.

    .venv-benchmark/bin/python tests/tools/make_huggingface_fixtures.py

The environment is that of `make benchmark`. Each directory is what `save_pretrained` writes, in
float16 to be small, with the vocabulary in the family's own files, in `tokenizer.json` or in both,
and `expected.json`: ids of texts, and the vectors and logits of the first of them. The files of now
were made with transformers 5.23, PyTorch 2.15 and sentencepiece 0.2.3.
"""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import sentencepiece
import tokenizers
import torch
import transformers
from sentencepiece import sentencepiece_model_pb2

PLACE = Path(__file__).parents[1] / "data" / "huggingface"
TEXTS = [
    "The miller closed the gate.",
    "where is the key?",
    "  two  blanks\tand a line\nbetween ",
    "Café CAFE cafe\u0301, naïve!",
    "``Quoted'' (in brackets) 12,5 … ßẞ",
    "中文 z\u3000x \u00a0y 🙂",
    "",
]
PAIRS = [("The key", "is under the stone."), ("gate", "x")]
# SentencePiece learns from them.
LINES = [
    "The old miller walked to the village before dawn and the river was high.",
    "She said that the bridge would be closed until the water went down again.",
    "Where is the key of the garden gate? It was under the stone by the well.",
    "Der alte Müller ging vor dem Morgen ins Dorf, und der Fluss war hoch.",
    "La clé du jardin était sous la pierre, près de la porte du café.",
]
# As `nmt_nfkc`, but short: its table has 240 kB.
RULES = {"\t": " ", "\n": " ", "\u00a0": " ", "\u3000": " ", "e\u0301": "é", "…": "..."}
WORDS = "the miller closed gate where is key two blanks and a line cafe un ##der stone . ? ! , ' ("
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 12,
    "max_position_embeddings": 64,
}
BRACKETS = {"bos_piece": "[CLS]", "eos_piece": "[SEP]"}
JSON = "tokenizer.json"
LABELS = {"id2label": {0: "good", 1: "bad", 2: "mixed"}}
TAGS = {"id2label": {0: "O", 1: "B-place", 2: "I-place", 3: "B-person", 4: "I-person"}}


def main() -> None:
    """Writes all of them."""
    shutil.rmtree(PLACE, ignore_errors=True)
    wordpiece = {"vocab.txt": "\n".join(wordpieces()) + "\n"}
    write("BertForTokenClassification", wordpiece, (JSON,), **SIZES, **TAGS)
    write("BertForSequenceClassification", wordpiece, (JSON,), **SIZES, **LABELS)
    distilled = {"n_layers": 2, "n_heads": 2, "dim": 8, "hidden_dim": 12}
    distilled["max_position_embeddings"] = SIZES["max_position_embeddings"]
    write("DistilBertForSequenceClassification", wordpiece, (JSON,), **distilled, **LABELS)
    # The published models have this epsilon, others that of transformers, 1e-12.
    write("RobertaForQuestionAnswering", byte_pairs(), **SIZES, layer_norm_eps=1e-5)
    write(
        *("RobertaForSequenceClassification", byte_pairs(), ("vocab.json", "merges.txt")),
        add_prefix_space=True,
        **SIZES,
        **LABELS,
    )
    write(
        *("ElectraForSequenceClassification", wordpiece, ("vocab.txt",)),
        **SIZES,
        embedding_size=6,
        **LABELS,
    )
    albert = learn(pad_id=0, unk_id=1, bos_id=2, eos_id=3, control_symbols=["[MASK]"], **BRACKETS)
    write(
        *("AlbertForSequenceClassification", {"spiece.model": albert}),
        **SIZES,
        embedding_size=6,
        hidden_act="gelu_new",
        **LABELS,
    )
    fairseq = learn(unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    write(
        *("XLMRobertaForSequenceClassification", {"sentencepiece.bpe.model": fairseq}),
        **SIZES,
        layer_norm_eps=1e-5,
        **LABELS,
    )
    deberta = learn(
        **{"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3},
        **{"pad_piece": "[PAD]", "unk_piece": "[UNK]"},
        **BRACKETS,
    )
    write(
        *("DebertaV2ForSequenceClassification", {"spm.model": deberta}),
        **{**SIZES, "type_vocab_size": 0, "position_biased_input": False},
        **{"relative_attention": True, "position_buckets": 4, "share_att_key": True},
        **{"norm_rel_ebd": "layer_norm", "pos_att_type": ["p2c", "c2p"]},
        **LABELS,
    )


def write(
    kind: str,
    files: dict[str, str | bytes],
    unwanted: tuple[str, ...] = (),
    *,
    add_prefix_space: bool = False,
    **sizes: Any,
) -> None:
    """Writes one model with its head, and what it answers, but for some files."""
    model_class = getattr(transformers, kind)
    place = PLACE / kind
    place.mkdir(parents=True)
    for name, content in files.items():
        content = content.encode() if isinstance(content, str) else content
        (place / name).write_bytes(content)
    options = {"add_prefix_space": True} if add_prefix_space else {}
    tokenizer = build_tokenizer(place, model_class.config_class, **options)
    config = model_class.config_class(vocab_size=len(tokenizer), **sizes)
    if hasattr(config, "type_vocab_size") and "Roberta" in kind:
        config.type_vocab_size, config.pad_token_id = 1, 1
    torch.manual_seed(len(kind))
    model = randomise(model_class(config)).half()
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    write_json(place / "expected.json", answers(model.float(), tokenizer))
    write_json(place / "tokenizer.json", json.loads((place / "tokenizer.json").read_text()))
    for name in unwanted:
        (place / name).unlink()


def write_json(path: Path, values: Any) -> None:
    """Writes JSON without blanks."""
    path.write_text(json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


def build_tokenizer(place: Path, config_class: Any, **options: Any) -> Any:
    """The tokenizer of the vocabulary's files, as `from_pretrained` reads them."""
    (place / "config.json").write_text(json.dumps({"model_type": config_class.model_type}))
    return transformers.AutoTokenizer.from_pretrained(place, **options)


def randomise(model: Any) -> Any:
    """Gives all weights, biases and norms too, random numbers that tell them apart."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(0, 0.2)
            if "norm" in name.lower() and name.endswith("weight"):
                weight.add_(1.0)
    return model.eval()


def answers(model: Any, tokenizer: Any) -> dict[str, Any]:
    """Ids of all texts and pairs; vectors and outputs of the first text and the first pair."""
    ids = [tokenizer(text)["input_ids"] for text in TEXTS]
    pairs = [tokenizer(*pair)["input_ids"] for pair in PAIRS]
    found = {"texts": TEXTS, "ids": ids, "pairs": PAIRS, "pair_ids": pairs, "outputs": []}
    for texts in ([TEXTS[0]], PAIRS[0]):
        # ALBERT's of transformers 5 leaves the segments out unless asked.
        inputs = tokenizer(*texts, return_tensors="pt", return_token_type_ids=True)
        if getattr(model.config, "type_vocab_size", 0) < 2:
            inputs.pop("token_type_ids", None)
        with torch.no_grad():
            vectors = model.base_model(**inputs).last_hidden_state[0]
            outputs = model(**inputs)
        logits = (
            torch.stack([outputs.start_logits[0], outputs.end_logits[0]], dim=-1)
            if "start_logits" in outputs
            else outputs.logits[0]
        )
        found["outputs"].append({"vectors": rounded(vectors), "logits": rounded(logits)})
    return found


def rounded(tensor: Any) -> Any:
    """Nested lists of six digits."""
    return json.loads(json.dumps(tensor.tolist()), parse_float=lambda text: round(float(text), 6))


def wordpieces() -> list[str]:
    """A WordPiece vocabulary of some words, letters and digits."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    digits = [str(digit) for digit in range(10)]
    return [*SPECIAL, *WORDS.split(), ")", *letters[3:], *(f"##{x}" for x in letters), *digits]


def byte_pairs() -> dict[str, str]:
    """The 256 bytes and a few merges."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("e", "r")]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *alphabet, *map("".join, merges), "<mask>"]
    return {
        "vocab.json": json.dumps({piece: number for number, piece in enumerate(pieces)}),
        "merges.txt": "#version: 0.2\n" + "\n".join(map(" ".join, merges)) + "\n",
    }


def learn(**special: Any) -> bytes:
    """A SentencePiece model of the lines above."""
    rules = PLACE / "rules.tsv"
    rules.write_text("".join(f"{hexes(a)}\t{hexes(b)}\n" for a, b in RULES.items()))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line.lower() for line in LINES] + LINES),
        model_writer=model,
        vocab_size=80,
        hard_vocab_limit=False,
        normalization_rule_tsv=str(rules),
        minloglevel=2,
        **special,
    )
    rules.unlink()
    learned = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    learned.normalizer_spec.ClearField("normalization_rule_tsv")  # where the file lay
    return learned.SerializeToString()


def hexes(text: str) -> str:
    """Code points as SentencePiece's rules have them."""
    return " ".join(f"{ord(character):X}" for character in text)


if __name__ == "__main__":
    main()
