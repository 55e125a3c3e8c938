"""The REST client and the smoke check, against a stub that speaks like TensorFlow Serving."""

import ast
import inspect
import json
import math
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

EXPORT = Path(__file__).parents[2] / "export"


def scores_of(text: str) -> list[float]:
    """Two probabilities that are told by the text's length."""
    return [1 - 1 / (2 + len(text)), 1 / (2 + len(text))]


def classes(text: list[str]) -> dict[str, list[Any]]:
    return {"label": ["no"] * len(text), "probabilities": [scores_of(t) for t in text]}


def classes_of_pairs(text: list[str], text_pair: list[str]) -> dict[str, list[Any]]:
    return classes([a + b for a, b in zip(text, text_pair, strict=True)])


def numbers(text: list[str]) -> dict[str, list[Any]]:
    return {"value": [100.0 * len(t) for t in text]}


def entities(text: list[str]) -> dict[str, list[Any]]:
    """Every word with a capital, filled up as the graph does."""
    found = [[word for word in t.split() if word[0].isupper()] for t in text]
    most = max(map(len, found))
    return {
        "text": [row + [""] * (most - len(row)) for row in found],
        "score": [[0.5] * len(row) + [0.0] * (most - len(row)) for row in found],
        "count": [len(row) for row in found],
    }


def filled(text: list[str]) -> dict[str, list[Any]]:
    """Two pieces for each mask, filled up as the graph does."""
    counts = [t.count("[MASK]") for t in text]
    most = max(counts)
    return {
        "pieces": [[["a", "b"]] * n + [["", ""]] * (most - n) for n in counts],
        "scores": [[[0.5, 0.25]] * n + [[0.0, 0.0]] * (most - n) for n in counts],
        "count": counts,
    }


def spans(question: list[str], context: list[str]) -> dict[str, list[Any]]:
    return {"answer": [c[:3] for c in context], "score": [0.25 for _ in question]}


def relevance(query: list[str], passage: list[str]) -> dict[str, list[Any]]:
    return {"score": [1.0 / len(q + p) for q, p in zip(query, passage, strict=True)]}


def vectors(text: list[str]) -> dict[str, list[Any]]:
    return {"embedding": [scores_of(t) for t in text]}


class Stub(BaseHTTPRequestHandler):
    """One model, `tfft`, which `serve` makes one of a task."""

    loading = 0
    signatures = ("serving_default", "tokens")
    serve: Any = staticmethod(classes)

    def do_GET(self) -> None:
        if self.path == "/v1/models/tfft":
            state = "LOADING" if Stub.loading else "AVAILABLE"
            Stub.loading = max(0, Stub.loading - 1)
            self.answer(200, {"model_version_status": [{"version": "1", "state": state}]})
        elif self.path == "/v1/models/tfft/metadata":
            signature_def = {name: self.described() for name in Stub.signatures}
            metadata = {"signature_def": {"signature_def": signature_def}}
            self.answer(200, {"model_spec": {}, "metadata": metadata})
        else:
            self.answer(404, {"error": "Malformed request: GET " + self.path})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        inputs = body["inputs"]
        if body["signature_name"] != "serving_default" or inputs.keys() != self.fields():
            self.answer(400, {"error": "JSON Value: {} Missing input: text"})
            return
        outputs = Stub.serve(**inputs)
        # As the server does: one output has no name.
        (first, *others) = outputs.values()
        self.answer(200, {"outputs": outputs if others else first})

    def fields(self) -> set[str]:
        return set(inspect.signature(Stub.serve).parameters)

    def described(self) -> dict[str, Any]:
        outputs = Stub.serve(**{field: ["a"] for field in self.fields()})
        # A set has no order, and neither have the server's maps.
        return {"inputs": dict.fromkeys(self.fields()), "outputs": dict.fromkeys(outputs)}

    def answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/models/tfft"
        server.shutdown()
        thread.join()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXPORT))
    yield __import__("client")
    sys.modules.pop("client")


@pytest.fixture
def smoke_check(client: Any) -> Any:
    yield __import__("smoke_check")
    sys.modules.pop("smoke_check")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the stub a model of a task."""
    return lambda task: monkeypatch.setattr(Stub, "serve", staticmethod(task))


@pytest.fixture
def ask(client, url, serve, capsys) -> Any:
    """The lines that the client prints for texts to a model of a task."""

    def asked(task: Any, *texts: str) -> list[dict[str, Any]]:
        serve(task)
        assert client.main(["--url", url, *texts]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return asked


def test_client_prints_one_object_a_text(ask):
    first, second = ask(classes, "été", "of two")
    assert first == {"text": "été", "label": "no", "probabilities": [1 - 1 / 5, 1 / 5]}
    assert second["probabilities"] == [1 - 1 / 8, 1 / 8]


def test_client_pairs(ask):
    (answer,) = ask(classes_of_pairs, "a\tb")
    assert list(answer) == ["text", "text_pair", "label", "probabilities"]
    assert (answer["text"], answer["text_pair"]) == ("a", "b")


def test_client_questions_before_contexts(ask):
    answers = ask(spans, "who?\tAda\tit was", "when?\tnow")
    assert answers == [
        {"question": "who?", "context": "Ada\tit was", "answer": "Ada", "score": 0.25},
        {"question": "when?", "context": "now", "answer": "now", "score": 0.25},
    ]


def test_client_queries_before_passages(ask):
    assert ask(relevance, "a\tbcd") == [{"query": "a", "passage": "bcd", "score": 0.25}]


def test_client_entities_without_what_fills_up(ask):
    first, second = ask(entities, "Ada met Tom", "nobody")
    assert first["entities"] == [{"text": "Ada", "score": 0.5}, {"text": "Tom", "score": 0.5}]
    assert second == {"text": "nobody", "entities": []}


def test_client_masks(ask):
    first, second = ask(filled, "a [MASK] b", "none")
    assert first["masks"] == [[{"piece": "a", "score": 0.5}, {"piece": "b", "score": 0.25}]]
    assert second == {"text": "none", "masks": []}


def test_client_a_single_output(ask):
    assert ask(numbers, "ab") == [{"text": "ab", "value": 200.0}]


def test_client_without_the_tab(client, url, serve, capsys):
    serve(spans)
    assert client.main(["--url", url, "who?"]) == 1
    assert "expected question and context with a tab" in capsys.readouterr().err


def test_client_says_what_the_server_said(client, url):
    with pytest.raises(client.ServerError, match=r"refused \(400\).*Missing input"):
        client.predict(url, {"token_ids": [[1]]}, "tokens")


def test_client_waits_for_the_model(client, url, monkeypatch):
    monkeypatch.setattr(Stub, "loading", 1)
    with pytest.raises(client.ServerError, match="no version yet"):
        client.wait_until_available(url)
    monkeypatch.setattr(Stub, "loading", 1)
    client.wait_until_available(url, 5)


def test_client_without_server(client, capsys):
    assert client.main(["--url", "http://127.0.0.1:9/v1/models/tfft", "text"]) == 1
    assert "did not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    "task", [classes, classes_of_pairs, numbers, entities, filled, spans, vectors]
)
def test_smoke_check(smoke_check, url, serve, capsys, task):
    serve(task)
    assert smoke_check.main(["--url", url]) == 0
    assert "one batch and one by one differ by 0.0e+00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"score": [0.5, 0.25]}, {"score": [0.5, 0.5]}, 0.25),
        ({"value": 1001.0}, {"value": 1000.0}, 0.001),
        ({"answer": "a"}, {"answer": "b"}, math.inf),
        ({"entities": []}, {"entities": [{"start": 0}]}, math.inf),
        ({"entities": [{"start": 0}]}, {"entities": [{"end": 0}]}, math.inf),
        ({"value": math.nan}, {"value": 1.0}, math.inf),
    ],
)
def test_smoke_check_compares_whatever_is_answered(smoke_check, first, second, expected):
    assert smoke_check.difference(first, first) == (math.inf if "nan" in str(first) else 0.0)
    assert smoke_check.difference(first, second) == pytest.approx(expected)


def test_smoke_check_of_answers_that_differ(smoke_check, url, serve):
    serve(lambda text: {"value": [float(len(text)) for _ in text]})
    assert smoke_check.main(["--url", url]) == 1


def test_smoke_check_without_a_signature(smoke_check, url, monkeypatch, capsys):
    monkeypatch.setattr(Stub, "signatures", ("serving_default",))
    assert smoke_check.main(["--url", url]) == 1
    assert "lacks the signature tokens" in capsys.readouterr().err


@pytest.fixture
def ask_program(client: Any) -> Any:
    yield __import__("ask")
    sys.modules.pop("ask")


@pytest.mark.parametrize(
    ("task", "texts", "shown"),
    [
        (numbers, {"text": ["ab"]}, "200.0000"),
        (entities, {"text": ["Ada met Tom"]}, "Ada (name 0.5000), Tom (name 0.5000)"),
        (entities, {"text": ["nobody"]}, "-"),
        (spans, {"question": ["who?"], "context": ["Ada"]}, "Ada  0.2500"),
        (spans, {"question": ["who?"], "context": [""]}, "-  0.2500"),
    ],
)
def test_ask_shows_any_answer_in_a_line(ask_program, client, task, texts, shown):
    (answer,) = client.answer_rows(task(**texts))
    for entity in answer.get("entities", []):
        entity["type"] = "name"
    assert ask_program.readable(answer, ["no", "maybe"]) == shown


def test_ask_shows_labels(ask_program):
    one = {"label": "no", "score": 0.75, "probabilities": [0.75, 0.25]}
    assert ask_program.readable(one, ["no", "maybe"]) == "no     0.7500"
    several = {"predictions": [1, 0], "probabilities": [0.75, 0.25]}
    assert ask_program.readable(several, ["no", "maybe"]) == "no 0.7500"
    none = {"predictions": [0, 0], "probabilities": [0.25, 0.25]}
    assert ask_program.readable(none, ["no", "maybe"]) == "-"


def test_ask_decodes_nested_bytes(ask_program):
    assert ask_program.decoded([["été".encode(), b"\xff"], 1.5]) == [["été", "\ufffd"], 1.5]


@pytest.mark.parametrize("name", ["ask.py", "client.py", "smoke_check.py"])
def test_kit_needs_nothing_of_tfft(name):
    tree = ast.parse((EXPORT / name).read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert not {module.partition(".")[0] for module in modules} & {"tfft", "keras_hub", "keras"}
