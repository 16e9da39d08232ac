"""The page of a trace: its numbers are those of the trace, it needs nothing from anywhere, and a browser shows it.

In the browser tests headless Chromium opens the page with one more script at its end, which points, clicks and follows
addresses as a person would, and writes down what the page then shows.
"""

import configparser
import dataclasses
import html
import json
import re
import shutil
import subprocess
import sys

import pytest
import torch
from helpers.traces import PAIR, TEXT, WORDS, random_model, word_tokenizer

from modeling_minibert.explain import __main__ as command
from modeling_minibert.explain import html as explain_html
from modeling_minibert.explain import trace, write_html

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--dump-dom"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000", "--window-size=1280,1600"),
]
# Half a unit in the last of four significant digits.
FOUR_DIGITS = 5e-4


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer(WORDS)


@pytest.fixture(scope="module")
def traces(tokenizer):
    """One of each kind of attention; the last is put together by hand, of an encoder's trace and a decoder's."""
    torch.manual_seed(0)
    encoder = trace(random_model("MiniBertForPreTraining"), tokenizer, f"{TEXT} [MASK]", PAIR)
    causal = trace(random_model("MiniGPTForCausalLM"), tokenizer, TEXT)
    queries, keys = len(causal.decoder.tokens), len(encoder.encoder.tokens)
    scores = 3 * torch.randn(4, queries, keys)
    layers = []
    for layer in causal.decoder.layers:
        cross = dataclasses.replace(
            layer.attention,
            kind="cross",
            visible=torch.ones(queries, keys).bool(),
            scores=scores,
            weights=scores.softmax(-1),
        )
        layers.append(dataclasses.replace(layer, cross_attention=cross))
    decoder = dataclasses.replace(causal.decoder, layers=layers)
    return {
        "self": encoder,
        "causal": causal,
        "cross": dataclasses.replace(encoder, decoder=decoder, predictions=[]),
    }


def read_data(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def close(found, expected):
    return found == pytest.approx(expected, rel=FOUR_DIGITS)


@pytest.mark.parametrize("kind", ["self", "causal", "cross"])
def test_the_numbers_of_the_page_are_those_of_the_trace(kind, traces, tmp_path):
    traced = traces[kind]
    data = read_data(write_html(traced, tmp_path / "page.html"))
    expected = [[layer.attention for layer in stack.layers] for stack in traced.stacks.values()]
    if kind == "cross":
        expected.append([layer.cross_attention for layer in traced.decoder.layers])
    assert [entry["kind"] for entry in data["attentions"]] == {"cross": ["self", "causal", "cross"]}.get(kind, [kind])
    for entry, layers in zip(data["attentions"], expected, strict=True):
        assert entry["queries"] == traced.stacks[entry["stack"]].tokens
        assert entry["keys"] == (traced.encoder.tokens if entry["kind"] == "cross" else entry["queries"])
        for heads, attention in zip(entry["layers"], layers, strict=True):
            for h, head in enumerate(heads):
                assert torch.tensor(head["weights"]).shape == attention.weights[h].shape
                assert close(sum(head["weights"], []), attention.weights[h].flatten().tolist())
                seen = [score is not None for row in head["scores"] for score in row]
                assert seen == attention.visible.flatten().tolist()
                found = [score for row in head["scores"] for score in row if score is not None]
                assert close(found, attention.scores[h][attention.visible].tolist())


def test_lengths_and_predictions_are_those_of_the_trace(traces):
    traced = traces["self"]
    data = explain_html.page_data(traced)
    norms = {row["name"]: row["values"] for row in data["stacks"][0]["norms"]}
    stack = traced.encoder
    assert len(norms) == 4 + 3 * len(stack.layers)
    assert close(norms["token type embedding"], stack.embeddings.token_type.norm(dim=1).tolist())
    assert close(norms["layer 1: feed-forward adds"], stack.layers[1].feed_forward_output.norm(dim=1).tolist())
    assert close(norms["layer 1: output"], stack.layers[1].output.norm(dim=1).tolist())
    assert [entry["question"] for entry in data["predictions"]] == ["masked token", "next sentence"]
    words = dict(data["predictions"][0]["candidates"])
    probabilities = traced.logits["prediction_logits"][6].softmax(-1)
    assert list(words) == [WORDS[i] for i in probabilities.topk(5).indices]
    assert close(list(words.values()), probabilities.topk(5).values.tolist())


def classify(tokenizer, text):
    """The trace and the attribution of a classifier's answer."""
    torch.manual_seed(1)
    model = random_model("MiniBertForSequenceClassification", vocab_size=len(tokenizer)).eval()
    return trace(model, tokenizer, text), command.attribute(model, tokenizer, text, None)


def test_the_attribution_of_the_page_sums_to_the_difference_of_the_logits(tokenizer, tmp_path):
    traced, attribution = classify(tokenizer, TEXT)
    data = read_data(write_html(traced, tmp_path / "page.html", attribution))["attribution"]
    assert data["target"] == traced.predictions[0].candidates[0][0]
    assert [word for word, _ in data["words"]] == ["[CLS]", *TEXT.split(), "[SEP]"]
    assert close([score for _, score in data["words"]], attribution.word_scores.tolist())
    # Integrated gradients are complete, within the tolerance of `integrated_gradients`.
    difference = attribution.output - attribution.baseline_output
    assert data["difference"] == pytest.approx(difference, rel=0.011)
    assert sum(score for _, score in data["words"]) == pytest.approx(data["difference"], rel=1e-2, abs=1e-3)
    assert read_data(write_html(traced, tmp_path / "without.html"))["attribution"] is None


def test_only_one_answer_to_one_text_is_attributed(tokenizer):
    masked, causal = random_model("MiniBertForMaskedLM").eval(), random_model("MiniGPTForCausalLM").eval()
    assert command.attribute(masked, tokenizer, f"{TEXT} [MASK]", None).words[-2] == "[MASK]"
    assert command.attribute(causal, tokenizer, TEXT, None).scores.any()
    for model, text, pair in ((masked, TEXT, None), (masked, "[MASK] [MASK]", None), (causal, TEXT, PAIR),
                              (random_model("MiniBertForTokenClassification").eval(), TEXT, None)):  # fmt: skip
        assert command.attribute(model, tokenizer, text, pair) is None


def test_no_text_can_break_out_of_the_page(tokenizer, tmp_path):
    text = 'aku </script><script>alert("1")</script> & <b>suka</b> {{data}} {{script}}'
    path = write_html(trace(random_model("MiniBertModel"), tokenizer, text), tmp_path / "page.html")
    page = path.read_text(encoding="utf-8")
    assert read_data(path)["text"] == text
    assert page.count("</script>") == 2 and "<b>" not in page
    assert html.unescape(re.search("<title>(.*?)</title>", page)[1]) == f"MiniBertModel: {text}"


def test_the_page_needs_nothing_from_anywhere(traces, tmp_path):
    page = write_html(traces["self"], tmp_path / "page.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy"\s+content="(.*?)"', page)[1]
    assert policy.startswith("default-src 'none';") and "http" not in policy
    assert re.findall(r'\b(?:src|href)="(.*?)"', page) == ["data:,"]
    assert set(re.findall(r"https?://[^\s\"]*", page)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"\b(fetch|XMLHttpRequest|import|@import|url)\b\s*\(", page)


def test_the_page_stays_small(traces, tmp_path, monkeypatch):
    size = write_html(traces["self"], tmp_path / "page.html").stat().st_size
    empty = dataclasses.replace(traces["self"], predictions=[])
    tokens, layers, heads = len(empty.encoder.tokens), 2, 4
    numbers = 2 * layers * heads * tokens**2
    assert size < 30_000 + 9 * numbers  # "-0.1234," and now and then an exponent
    monkeypatch.setattr(explain_html, "MOST_NUMBERS", numbers - 1)
    with pytest.raises(ValueError, match=f"hold {numbers:,} .* at most; give a text of at most {tokens - 1} tokens"):
        write_html(empty, tmp_path / "page.html")
    monkeypatch.setattr(explain_html, "MOST_NUMBERS", numbers)
    write_html(empty, tmp_path / "page.html")


def test_the_files_of_the_page_travel_with_the_package(repository):
    setup = configparser.ConfigParser()
    setup.read(repository / "setup.cfg")
    listed = setup["options.package_data"]["modeling_minibert.explain"].split()
    folder = repository / "modeling_minibert" / "explain"
    assert sorted(listed) == sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".py")


# --- In a browser

# Reads what the page shows; `settle` gives it time to follow a new address.
VISIT = """
<script>
const settle = () => new Promise((done) => setTimeout(done, 50));
const rows = (id) => [...document.querySelectorAll(`#${id} tbody tr, #${id} > tr`)].map((row) =>
  [...row.children].map((cell) => cell.textContent));
const seen = () => ({
  hash: location.hash, readout: document.getElementById("readout").textContent, bars: rows("bars"),
  title: document.getElementById("title-bars").textContent, norms: rows("norms"), predictions: rows("predictions"),
  cells: document.querySelectorAll(".cell").length, hidden: document.querySelectorAll(".cell.hidden").length,
  lines: document.querySelectorAll(".line").length,
  checked: [...document.querySelectorAll("input:checked")].map((input) => `${input.name} ${input.value}`),
  heads: document.querySelectorAll("#overview button").length,
});
(async () => {
  const found = {};
  await settle();
  found.start = seen();
  for (const state of STATES) {
    location.hash = state;
    await settle();
    found[state] = seen();
  }
  document.querySelectorAll(".token.query")[2].dispatchEvent(new Event("pointerenter"));
  found.pointed = seen();
  document.querySelectorAll(".token.key")[1].dispatchEvent(new Event("pointerenter"));
  found.key = seen();
  document.querySelectorAll(".token.query")[1].dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  await settle();
  found.stayed = seen();
  document.querySelector("input[name=head][value='2']").click();
  await settle();
  found.switched = seen();
  document.querySelectorAll("#overview button")[1].click();
  await settle();
  found.opened = seen();
  const result = { id: "found", textContent: JSON.stringify(found) };
  document.body.append(Object.assign(document.createElement("pre"), result));
})();
</script>"""


NAMES = {
    "self": "encoder self-attention",
    "causal": "decoder causal self-attention",
    "cross": "decoder cross-attention",
}


def browse(page, folder, script, frame=None):
    """The page, or the frame around it, after `script` has run in the page, and what the browser's console says."""
    if CHROMIUM is None:
        pytest.skip("no chromium here; `apt-get install chromium` brings one")
    folder.mkdir()
    changed = folder / "page.html"
    changed.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"), encoding="utf-8")
    if frame is not None:
        changed = folder / "frame.html"
        changed.write_text(frame, encoding="utf-8")
    command_line = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", changed.as_uri()]
    result = subprocess.run(command_line, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout, re.findall(r".*CONSOLE.*", result.stderr)


def check_shown(shown, attention, head, query, queries, keys):
    """The bars, the readout and the heat map of one query in the browser, against the trace."""
    weights, scores = attention.weights[head, query].tolist(), attention.scores[head, query].tolist()
    assert shown["title"] == f"One query: {query} “{queries[query]}”"
    for key, (token, score, weight, _) in enumerate(shown["bars"]):
        assert token == keys[key]
        assert float(weight) == pytest.approx(weights[key], abs=1e-4)
        if attention.visible[query, key]:
            assert float(score) == pytest.approx(scores[key], rel=FOUR_DIGITS, abs=1e-3)
        else:
            assert score == "not seen"
    assert shown["cells"] == len(queries) * len(keys) == len(attention.weights[head].flatten())
    assert shown["lines"] == attention.visible.sum() == shown["cells"] - shown["hidden"]


@pytest.mark.slow
@pytest.mark.lecture("S3-42")
@pytest.mark.parametrize("kind", ["self", "causal", "cross"])
def test_a_browser_shows_the_trace(kind, traces, tmp_path):
    traced, number = traces[kind], 2 if kind == "cross" else 0
    states = [f"#attention={number}&layer=1&head=3&token=2", "#layer=7&head=x&token=-1"]
    page = write_html(traced, tmp_path / "page.html")
    text, console = browse(page, tmp_path / "browser", VISIT.replace("STATES", json.dumps(states)))
    assert not console
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', text, re.DOTALL)[1]))

    stack = traced.encoder if kind == "self" else traced.decoder
    queries = stack.tokens
    keys = queries if kind != "cross" else traced.encoder.tokens
    attentions = [layer.cross_attention if kind == "cross" else layer.attention for layer in stack.layers]
    first = next(iter(traced.stacks.values()))
    token = len(queries) - 1 if kind == "causal" else 0
    check_shown(found["start"], first.layers[0].attention, 0, token, first.tokens, first.tokens)
    assert found["start"]["heads"] == 2 * 4
    chosen = found[states[0]]
    check_shown(chosen, attentions[1], 3, 2, queries, keys)
    best = keys[int(attentions[1].weights[3, 2].argmax())]
    said = f"Layer 1, head 3 of the {NAMES[kind]}: “{queries[2]}” attends most to “{best}”"
    assert chosen["readout"].startswith(said)
    assert {"layer 1", "head 3"} <= set(chosen["checked"])
    lengths = {row[0]: [float(value) for value in row[1:]] for row in chosen["norms"]}
    expected = stack.layers[1].output.norm(dim=1).tolist()
    assert lengths["layer 1: output"] == pytest.approx(expected, rel=6e-3)  # three digits are shown
    assert len(chosen["predictions"]) == len(traced.predictions)
    if kind == "causal":
        assert chosen["predictions"][2][1].split()[0] == traced.predictions[2].candidates[0][0]

    assert found[states[1]]["bars"] == found["start"]["bars"]  # numbers that are not there fall back
    assert found["pointed"]["title"] == f"One query: 2 “{first.tokens[2]}”"
    assert re.match(r"“.*” receives \d+\.\d % of the attention", found["key"]["readout"])
    check_shown(found["stayed"], first.layers[0].attention, 0, 1, first.tokens, first.tokens)
    check_shown(found["switched"], first.layers[0].attention, 2, 1, first.tokens, first.tokens)
    assert "head=2" in found["switched"]["hash"] and "head=1" in found["opened"]["hash"]


@pytest.mark.slow
def test_the_browser_would_tell_of_an_error(traces, tmp_path):
    """Otherwise its silence in the other tests would prove nothing; and the page may load nothing."""
    page = write_html(traces["self"], tmp_path / "page.html")
    planted = '<img src="https://example.org/x.png"><script>throw new Error("planted")</script>'
    _, console = browse(page, tmp_path / "browser", planted)
    assert any("planted" in line for line in console)
    assert any("Content Security Policy" in line for line in console)


LAYOUT = """
<script>
const settle = () => new Promise((done) => setTimeout(done, 50));
(async () => {
  await settle();
  const wide = (element) => element.scrollWidth > element.clientWidth;
  const cut = [...document.querySelectorAll("#lines svg, #map svg")].flatMap((svg) => {
    const frame = svg.getBoundingClientRect();
    return [...svg.querySelectorAll("text")].filter((text) => {
      const box = text.getBoundingClientRect();
      return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1;
    }).map((text) => text.textContent);
  });
  const first = document.querySelector("section");
  const found = {
    width: document.documentElement.clientWidth, sideways: wide(document.documentElement), cut, first: first.id,
    words: [...document.querySelectorAll("#words span")].map((word) => [word.textContent, word.className]),
    labels: document.querySelectorAll("#lines text").length,
  };
  parent.postMessage(JSON.stringify(found), "*");
})();
</script>"""
# Chromium's windows are not as narrow as a telephone; a frame is.
FRAME = """<!DOCTYPE html>
<iframe src="page.html" style="width: WIDTHpx; height: 900px; border: 0"></iframe><pre id="found"></pre>
<script>window.onmessage = (event) => (document.getElementById("found").textContent = event.data);</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1400, 390])
def test_the_answer_comes_first_and_nothing_is_cut_or_wider_than_the_screen(width, tmp_path):
    long = "pertanggungjawabannyalah"
    traced, attribution = classify(word_tokenizer([*WORDS, long]), f"{TEXT} {long}")
    page = write_html(traced, tmp_path / "page.html", attribution)
    text, console = browse(page, tmp_path / "browser", LAYOUT, FRAME.replace("WIDTH", str(width)))
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', text, re.DOTALL)[1]))
    assert not console and found["first"] == "answer-section"
    assert width - 20 <= found["width"] <= width and not found["sideways"]  # a scroll bar's width
    assert found["labels"] == 2 * len(traced.encoder.tokens) and found["cut"] == []
    scores = dict(zip(attribution.words, attribution.word_scores, strict=True))
    for word, side in found["words"]:
        if side:
            assert side.split()[0] == ("for" if scores[word] > 0 else "against")
    assert sum("strong" in side for _, side in found["words"]) >= 1


# --- The command


@pytest.fixture
def run(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["explain", *map(str, arguments)])
        command.main()

    return run


@pytest.fixture(scope="module")
def checkpoint(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    random_model("MiniBertForSequenceClassification").float().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_command_writes_and_prints(run, checkpoint, tmp_path, capsys):
    page = tmp_path / "page.html"
    run(checkpoint, TEXT, "--pair", PAIR, "--out", page, "--print", 1, 0, 2)
    printed = capsys.readouterr().out
    assert "Layer 1, self-attention, head 0\n  Token  2 | tidak" in printed and "Token  0 | [CLS]" not in printed
    assert f"{page}: {page.stat().st_size / 1000:,.0f} kB" in printed
    data = read_data(page)
    assert (data["text"], data["text_pair"], data["model"]) == (TEXT, PAIR, "MiniBertForSequenceClassification")
    run(checkpoint, TEXT, "--print")
    assert "all heads together" in capsys.readouterr().out


@pytest.mark.lecture("S3-42")
def test_the_command_opens_a_stock_folder(run, checkpoint, tokenizer, tmp_path, capsys):
    model = random_model("MiniGPTForCausalLM").float().to_stock()
    model.save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    run(tmp_path / "gpt2", TEXT, "--print", 0, 0, 1)
    assert "MiniGPTForCausalLM" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["DIR", TEXT], "nothing to do: give --out page.html, --print, or both"),
        (["DIR", TEXT, "--print", 0, 0, 0, 0], "at most a layer, a head and a token, got 4 numbers"),
        (["DIR", " ", "--print"], r"text is empty"),
        (["DIR", "suka " * 22, "--print"], "24 tokens long but this model was built for 23 positions"),
        (["DIR", TEXT, "--print", 5], "there is no layer 5; choose 0 to 1"),
        (["NOWHERE", TEXT, "--print"], "NOWHERE has no config.json; give a folder"),
        (["DIR", TEXT, "--out", "NOWHERE/page.html"], "there is no folder NOWHERE for NOWHERE/page.html"),
        (["BLOOM", TEXT, "--print"], r"no trace for model_type 'bloom'; choose one of \['minibert'"),
        (["DUMB", TEXT, "--print"], r"DUMB has no tokenizer; add it with tokenizer.save_pretrained\('DUMB'\)"),
        (["STRANGE", TEXT, "--print"], "names MiniBertForPoetry, which is not a class of modeling_minibert"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, message, run, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    strange = {"model_type": "minibert", "architectures": ["MiniBertForPoetry"]}
    configs = {"BLOOM": {"model_type": "bloom"}, "DUMB": {"model_type": "bert"}, "STRANGE": strange}
    for name, config in configs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    (tmp_path / "STRANGE" / "tokenizer.json").write_text("{}")
    with pytest.raises((ValueError, OSError), match=message):
        run(*(checkpoint if argument == "DIR" else argument for argument in arguments))
