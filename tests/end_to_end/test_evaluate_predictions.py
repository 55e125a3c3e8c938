"""`tfft evaluate --predictions`: answers in a file are scored without a model."""

import json

import pytest

from tfft import evaluate

GOLD = """\
Ada B-person
Lovelace I-person
lived O
in O
London B-place

Rain O
in O
Leeds B-place
"""
# One person of two words, one place missed, one found where there is none.
ANSWERS = """\
Ada B-person
Lovelace I-person
lived O
in O
London O

Rain B-place
in O
Leeds B-place
"""
QUESTIONS = {
    "data": [
        {
            "title": "Bridge",
            "paragraphs": [
                {
                    "context": "The old bridge was built in 1842 by two brothers.",
                    "qas": [
                        {
                            "id": "when",
                            "question": "When was the bridge built?",
                            "answers": [{"text": "1842", "answer_start": 28}],
                        },
                        {
                            "id": "who",
                            "question": "Who built it?",
                            "answers": [{"text": "two brothers", "answer_start": 36}],
                        },
                        {"id": "cost", "question": "What did it cost?", "answers": []},
                    ],
                }
            ],
        }
    ]
}
# Entity F1 of seven systems of the shared task, from its findings.
SUBMISSIONS = {
    "arcada": 0.3998,
    "drexel_cci": 0.2630,
    "flytxt": 0.3835,
    "mic-cis.txt": 0.3706,
    "sjtu_adapt.txt": 0.4042,
    "spinningbytes.txt": 0.4078,
    "uh_ritual": 0.4186,
}


@pytest.fixture
def file(tmp_path):
    """Writes a file, objects as json; returns its path."""

    def write(name, content):
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (tmp_path / name).write_text(text, "utf-8")
        return str(tmp_path / name)

    return write


@pytest.fixture
def run(capsys):
    """Runs the command; returns what it wrote to standard output, or with a code to the other."""

    def run_command(*arguments, code=0):
        capsys.readouterr()
        assert evaluate.main(["--predictions", *arguments]) == code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return captured.err if code else captured.out

    return run_command


@pytest.fixture
def scores(run):
    """The scores of a file of answers."""

    def of(path, *arguments):
        found = json.loads(run(path, *arguments, "--json"))
        assert list(found) == [path]
        return found[path]

    return of


# ------------------------------------------------------------------------------------- tagging


def test_tags_beside_a_gold_file(file, scores):
    found = scores(file("answers.txt", ANSWERS), "--data", file("gold.conll", GOLD))
    assert (found["entity_precision"], found["entity_recall"]) == (2 / 3, 2 / 3)
    assert found["entity_f1"] == pytest.approx(2 / 3)
    assert found["accuracy"] == 6 / 8
    assert found["by_type"]["place"] == {
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "support": 2,
        "predicted": 2,
    }


def test_tags_with_the_right_ones_before_them(file, scores):
    lines = [
        f"{gold} {answer.split()[-1]}" if gold else ""
        for gold, answer in zip(GOLD.splitlines(), ANSWERS.splitlines(), strict=True)
    ]
    both = scores(file("both.conll", "\n".join(lines)))
    assert both == scores(file("answers", ANSWERS), "--data", file("gold", GOLD))


def test_tags_without_entities_are_scored_word_by_word(file, scores):
    found = scores(file("tags.conll", "time NOUN NOUN\nflies VERB NOUN\n"))
    assert found["accuracy"] == 0.5
    assert found["by_label"].keys() == {"NOUN", "VERB"}
    assert "entity_f1" not in found


def test_gold_without_an_entity_has_scores_of_entities(file, scores):
    found = scores(file("tags.conll", "time O B-thing\nflies O O\n"))
    assert found["entity_f1"] == 0.0
    assert found["by_type"]["thing"]["predicted"] == 1


def test_a_word_like_json_is_a_word(file, scores):
    assert scores(file("tags.conll", "{ O O\nfoo B-x B-x\n} O O\n"))["entity_f1"] == 1.0


def test_report_of_tags(file, run):
    report = run(file("answers.txt", ANSWERS), "--data", file("gold.conll", GOLD))
    assert "entity_f1" in report
    lines = [line.split() for line in report.splitlines()]
    assert ["place", "0.5000", "0.5000", "0.5000", "2"] in lines  # by type
    assert ["place", "O", "1"] in lines  # the commonest confusions


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_published_submissions(name, shared_data, scores):
    folder = shared_data / "wnut17"
    gold = str(folder / "emerging.test.annotated")
    found = scores(str(folder / "submissions" / name), "--data", gold)
    assert round(found["entity_f1"], 4) == SUBMISSIONS[name]


# -------------------------------------------------------------------------- question answering


def test_answers_by_id(file, scores):
    answers = {"when": "in 1842", "who": "Two brothers.", "cost": ""}
    found = scores(file("answers.json", answers), "--data", file("gold.json", QUESTIONS))
    assert found["exact_match"] == pytest.approx(2 / 3)
    assert found["has_answer_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["no_answer_f1"] == 1.0


def test_answers_that_predict_wrote(file, scores):
    rows = [{"id": name, "answer": answer} for name, answer in [("when", "1842"), ("who", "")]]
    rows += [{"id": "cost", "answer": "two brothers", "score": 0.25}]
    path = file("answers.jsonl", "\n".join(map(json.dumps, rows)))
    found = scores(path, "--data", file("gold.json", QUESTIONS))
    assert found["exact_match"] == pytest.approx(1 / 3)
    assert found["no_answer_f1"] == 0.0


def test_what_is_not_answered_is_told_of(file, run, capsys):
    path, gold = file("answers.json", {"when": "1842"}), file("gold.json", QUESTIONS)
    told = f"{path} says nothing of 2 of the 3 questions"
    # However the lines of the report are broken.
    assert "".join(told.split()) in "".join(run(path, "--data", gold).split())
    assert evaluate.main(["--predictions", path, "--data", gold, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)[path]["exact_match"] == pytest.approx(2 / 3)
    assert captured.err.startswith(f"note: {told}")


def test_chinese_by_character(file, scores):
    context = "北京是中国的首都。"
    asked = {"id": "a", "question": "？", "answers": [{"text": "中国的首都", "answer_start": 3}]}
    gold = {"data": [{"title": "", "paragraphs": [{"context": context, "qas": [asked]}]}]}
    files = file("answers.json", {"a": "首都"}), "--data", file("gold.json", gold)
    assert scores(*files)["f1"] == 0.0
    assert scores(*files, "--by-character")["f1"] == pytest.approx(4 / 7)


# ---------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{answers}"], "one column, expected two or more"),
        (["{json}"], "give those with --data"),
        (["{json}", "--data", "{gold}"], "this is not JSON"),
        (["{scores}"], "has answers of another task ('score')"),
        (["{scores}", "--data", "{gold}"], "score a run of any task with --run DIR --data FILE"),
        (["{both}", "--by-character"], "--by-character is for answers to questions"),
        (["{both}", "--split", "test"], "belong to --run"),
        (["{both}", "--set", "header=false"], "belong to --run"),
        (["nowhere.conll"], "There is no file nowhere.conll"),
        (["{both}", "--data", "{short}"], "3 words, but"),
    ],
)
def test_mistakes_are_clear(file, run, arguments, message):
    files = {
        "answers": file("answers", "O\nB-place\n"),
        "both": file("both", "in O O\nYork B-place B-place\nnow O O\n"),
        "short": file("short", "in O\nYork B-place\n"),
        "gold": file("gold.json", GOLD),
        "json": file("answers.json", {"when": "1842"}),
        "scores": file("scores.jsonl", '{"query": "a", "passage": "b", "score": 0.5}\n'),
    }
    assert message in run(*(part.format(**files) for part in arguments), code=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json"], "one of the arguments --run --predictions is required"),
        (["--run", "a", "--predictions", "b"], "not allowed with argument"),
    ],
)
def test_a_run_or_answers(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        evaluate.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_by_character_is_not_for_runs(capsys):
    assert evaluate.main(["--run", "a", "--by-character"]) == 2
    assert "task.by_character" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tags", "answers"])
def test_imports_nothing_heavy(name, file, run_python):
    files = {
        "tags": [file("answers.conll", ANSWERS), "--data", file("gold.conll", GOLD)],
        "answers": [file("answers.json", {"when": ""}), "--data", file("gold.json", QUESTIONS)],
    }
    program = (
        "import sys\n"
        "from tfft.evaluate import main\n"
        f"code = main(['--predictions', *{files[name]!r}])\n"
        "heavy = {'tensorflow', 'keras', 'keras_hub', 'jax'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)\n"
    )
    done = run_python("-c", program)
    assert (done.returncode, done.stderr) == (0, "")
