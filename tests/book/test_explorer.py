"""The explorer: what is written is what was there, and a browser searches it as the library does."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from axe_core_python.sync_playwright import Axe
from IPython.display import HTML
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect
from torch import Tensor
from torch.nn.functional import normalize

from semshare.book import explorer
from semshare.data.dataset import Part
from semshare.data.tokens import OWN
from semshare.data.words import Vocabulary, tokenise
from semshare.evaluation import Reading, Thresholds
from semshare.metrics import best_threshold
from semshare.model import Output
from semshare.paper import failures
from semshare.ranking import rank

ROOT = Path(__file__).resolve().parent.parent.parent
LABELS = ("cat", "dog", "car", "<b>bus</b>")
SUPER = dict(zip(LABELS, ("animal", "animal", "vehicle", "vehicle"), strict=True))
EVIL = (
    "</script><script>window.hit = 1</script> cat",
    "<img src=x onerror='window.hit = 1'> \u202eright to left\u200f",
    "control \x00\x07\x1b[31m \u2028 line",
    "x" * 10_000,
    "",
    "\U0001f600 __proto__ ${window.hit = 1} {{7*7}}",
)
COUNT, WIDTH = 40, 160  # more images than a page shows at once, wider than is shipped


class Network:
    """Reads a text as the mean of its words' vectors."""

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors

    def __call__(self, modality: str, segments: Any) -> Output:
        found = self.vectors[segments.features[:, 1:-1]].mean(1)
        return Output(found, found, found, found)


def fake_run(method: str, text_kind: str = "captions", seed: int = 0) -> Any:
    """A finished run on images with two texts each; texts 6 and 7 are the same and so tie."""
    draw = torch.Generator().manual_seed(seed)
    texts = [*EVIL, "a dog", "a dog", *(f"text {row} of a cat" for row in range(2 * COUNT - len(EVIL) - 2))]
    vocabulary = Vocabulary.build([tokenise(text) for text in texts])
    labels = (torch.rand(COUNT, len(LABELS), generator=torch.Generator().manual_seed(7)) < 0.4).float()
    labels[0] = 0  # nothing is relevant to it
    owner = torch.arange(2 * COUNT) // 2
    part = Part(
        image_ids=("__proto__", *(f"../<i>{row}" for row in range(1, COUNT))),
        labels=labels,
        texts=tuple(texts),
        words=tuple(tuple(vocabulary.encode(tokenise(text))) for text in texts),
        owner=owner,
        caption_index=torch.arange(2 * COUNT) % 2,
    )
    image, text = (torch.randn(rows, WIDTH, generator=draw) for rows in (COUNT, 2 * COUNT))
    text[7] = text[6]
    image_scores, text_scores = (torch.rand(rows, len(LABELS), generator=draw) for rows in (COUNT, 2 * COUNT))
    reading = Reading(image, text, image_scores, text_scores)
    source = SimpleNamespace(
        pool="pool", picture=lambda id: Image.new("RGB", (200, 150), (hash(id) % 255, 100, 50)), without_pictures=False
    )
    dataset = SimpleNamespace(
        name=f"toy-{text_kind}", status="real", text_kind=text_kind, attribution="By <script>nobody</script>",
        label_names=LABELS, supercategories=SUPER if text_kind == "captions" else {}, parts={"test": part},
        vocabulary=vocabulary, source=source, tokenizer=OWN,
    )  # fmt: skip
    experiment = SimpleNamespace(
        method=method, ranking="cosine" if method == "ours" else "dot", gallery="texts-and-labels"
    )
    vectors = torch.randn(len(vocabulary), WIDTH, generator=draw)
    return SimpleNamespace(
        dataset=dataset, experiment=experiment, title=method.upper(), thresholds=Thresholds(0.7, 0.7),
        reading=lambda split: reading, network=lambda: Network(vectors),
    )  # fmt: skip


def content(folder: Path, prefix: str) -> Any:
    """What a data file puts into ``window.semshareFiles``."""
    [path] = folder.glob(f"{prefix}-????????????.js")
    script = path.read_text(encoding="utf-8")
    begin = f"(window.semshareFiles ??= {{}})[{json.dumps(path.name)}] = JSON.parse("
    assert script.startswith(begin) and script.endswith(");\n")
    return json.loads(json.loads(script[len(begin) : -3]))


@pytest.fixture(scope="module")
def runs() -> dict[str, Any]:
    return {
        "captions": fake_run("ours"), "beside": fake_run("other", seed=1), "tags": fake_run("ours", "tags"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def site(runs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page that holds the explorer of the runs, and all that it loads."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "book" / "_static" / "explorer", folder / "explorer")
    shown = explorer.page(runs.values(), images=COUNT, folder=folder / "explorer-data", static=".")
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Explorer</title>'
        f'<meta name="viewport" content="width=device-width"></head><body>{shown.data}</body></html>',
        encoding="utf-8",
    )
    return folder


# What is written


def test_what_is_written_is_what_was_there(site: Path, runs: dict[str, Any]) -> None:
    part, found = runs["captions"].dataset.parts["test"], content(site / "explorer-data", "toy-captions")
    assert found["labels"] == list(LABELS) and found["supercategories"] == [SUPER[label] for label in LABELS]
    assert [text["text"] for text in found["texts"][:3]] == list(EVIL[:3]), "hostile texts are kept as they are"
    assert found["texts"][3]["text"] == "x" * explorer.CHARACTERS + "…"
    assert [text["of"] for text in found["texts"]] == [[owner] for owner in part.owner.tolist()]
    for one, row in zip(found["images"], part.labels, strict=True):
        assert one["labels"] == row.nonzero().flatten().tolist()


def test_files_cannot_end_a_script_and_are_ascii(site: Path) -> None:
    files = list((site / "explorer-data").iterdir())
    assert len(files) == 2 + 3 + 1, "datasets, methods, the pictures of one pool"
    for path in files:
        assert path.read_bytes().isascii() and "<" not in path.read_text(encoding="utf-8"), path.name


def test_the_page_records_the_files_it_loads_and_escapes_its_manifest(tmp_path: Path, runs: dict[str, Any]) -> None:
    shown: HTML = explorer.page([runs["captions"]], folder=tmp_path, static='"><script>')
    assert set(shown.metadata[explorer.FILES]) == {path.name for path in tmp_path.iterdir()}
    assert '"><script>' not in re.sub(r"<script src=\"[^\"]*\"></script>", "", shown.data)


def test_writing_again_changes_no_file_and_other_data_other_names(tmp_path: Path, runs: dict[str, Any]) -> None:
    explorer.page([runs["captions"]], folder=tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    explorer.page([runs["captions"]], folder=tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    explorer.page([runs["captions"]], images=5, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 * len(before)


def test_thumbnails_are_small_pictures(site: Path) -> None:
    found = content(site / "explorer-data", "pictures")
    assert len(found) == COUNT
    picture = Image.open(io.BytesIO(base64.b64decode(found["../<i>1"])))
    assert picture.format == "WEBP" and picture.size == (128, 96)


@pytest.mark.parametrize("shape", [(7, 3), (1, 130), (0, 4)])
def test_packing_rounds_to_half_a_step(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape) * 5
    back = explorer.unpack(explorer.pack(matrix))
    step = float(matrix.abs().max()) / (2**15 - 1) if matrix.numel() else 0.0
    assert back.shape == matrix.shape
    if matrix.numel():
        assert float((back - matrix).abs().max()) <= 0.501 * step
    assert not explorer.unpack(explorer.pack(torch.zeros(2, 3))).any()


def test_narrowing_keeps_the_products_of_few_directions() -> None:
    """Vectors of a 100-dimensional subspace lose nothing; of a 200-dimensional one they do."""
    basis = torch.linalg.qr(torch.randn(300, 300)).Q
    blocks = [torch.randn(50, 100) @ basis[:100], torch.randn(150, 100) @ basis[:100]]
    one, other = explorer.narrowed(blocks)
    assert one.shape == (50, explorer.WIDTH)
    torch.testing.assert_close(one @ other.T, blocks[0] @ blocks[1].T, atol=1e-3, rtol=1e-4)
    wide = [torch.randn(150, 300), torch.randn(150, 300)]
    one, other = explorer.narrowed(wide)
    assert float((one @ other.T - wide[0] @ wide[1].T).abs().max()) > 1


def test_the_error_it_states_is_the_error_it_makes(site: Path, runs: dict[str, Any]) -> None:
    found, reading = content(site / "explorer-data", "toy-captions-ours"), runs["captions"].reading("test")
    exact = normalize(reading.image, dim=1) @ normalize(reading.text, dim=1).T
    shipped = explorer.unpack(found["image"]) @ explorer.unpack(found["text"]).T
    assert found["error"] == pytest.approx(float((exact - shipped).abs().max()))
    assert found["image"]["width"] == explorer.WIDTH
    same = [len({*a} & {*b}) for a, b in zip(rank(exact, 10).tolist(), rank(shipped, 10).tolist(), strict=True)]
    same += [len({*a} & {*b}) for a, b in zip(rank(exact.T, 10).tolist(), rank(shipped.T, 10).tolist(), strict=True)]
    assert found["agreement"] == pytest.approx(sum(same) / 10 / len(same))


def test_labels_are_given_at_a_tuned_midpoint_as_metrics_give_them(tmp_path: Path) -> None:
    run, low = fake_run("ours"), torch.tensor(0.6)
    reading = run.reading("test")
    for row in range(0, COUNT - 1, 2):
        high = torch.nextafter(low, torch.tensor(1.0))
        threshold = best_threshold(torch.stack([high, low]).unsqueeze(1), torch.tensor([[1], [0]]))
        reading.image_scores[0, 0], reading.image_scores[1, 0] = high, low
        reading.text_scores[0, 0], reading.text_scores[1, 0] = high, low
        run.thresholds = Thresholds(threshold, threshold)
        explorer.page([run], images=COUNT, folder=tmp_path / str(row), static=".")
        found = content(tmp_path / str(row), "toy-captions-ours")
        for side in ("image_high", "text_high"):
            assert [0 in found[side][item] for item in (0, 1)] == [True, False]
        low = high


def test_tag_sets_stand_once_and_belong_to_all_their_images(tmp_path: Path) -> None:
    run = fake_run("ours", "tags")
    part = run.dataset.parts["test"]
    part.labels[4] = part.labels[3]  # "a dog" of image 3, twice: one item; give image 4 a text of the same words too
    words = list(part.words)
    words[8] = words[6]
    run.dataset.parts["test"] = Part(**{**vars(part), "words": tuple(words)})
    explorer.page([run], folder=tmp_path)
    found = content(tmp_path, "toy-tags")
    assert len(found["texts"]) == len(run.dataset.parts["test"].distinct_texts()[0])
    assert next(text["of"] for text in found["texts"] if text["text"] == "a dog") == [3, 3, 4]


def test_a_dataset_without_pictures_ships_none(tmp_path: Path) -> None:
    run = fake_run("ours")
    run.dataset.source.without_pictures = True
    explorer.page([run], folder=tmp_path)
    assert not list(tmp_path.glob("pictures-*"))


# What a browser makes of it


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, site: Path) -> Iterator[Page]:
    """The explorer opened as a file; at the end no error was logged and no hostile text had run."""
    page, errors = context.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    show(page, site)
    yield page
    assert page.evaluate("window.hit") is None, "a text of the data was run"
    page.close()
    assert errors == []


def show(page: Page, site: Path, state: str = "") -> None:
    page.goto("about:blank")  # or only the hash would change
    page.goto(f"{(site / 'index.html').as_uri()}#{state}")
    page.wait_for_selector(".explorer-results section")


def results(page: Page, place: int = 0) -> list[dict[str, Any]]:
    """All results of a column: rank, score, marked right, notes, and which item, by its button."""
    column = page.locator(".explorer-results section").nth(place)
    return column.evaluate(
        """section => {
            const more = section.querySelector(".explorer-more");
            while (!more.hidden) more.click();
            return [...section.querySelectorAll(".explorer-card")].map(card => ({
            rank: Number(card.querySelector(".explorer-rank").textContent),
            score: Number(card.querySelector(".explorer-score").lastChild.textContent),
            right: card.classList.contains("right"),
            notes: card.querySelector(".explorer-notes")?.textContent ?? "",
            row: Number(card.querySelector("button").getAttribute("aria-label").match(/\\d+$/)[0]) - 1,
            }));
        }"""
    )


@pytest.mark.parametrize(("ask", "row"), [("text", 3), ("text", 6), ("text", 25), ("image", 0), ("image", 5)])
@pytest.mark.parametrize("method", ["ours", "other"])
def test_the_browser_ranks_as_torch_does(
    page: Page, site: Path, runs: dict[str, Any], method: str, ask: str, row: int
) -> None:
    run = runs["captions" if method == "ours" else "beside"]
    show(page, site, f"dataset=toy-captions&method={method}&ask={ask}&row={row}")
    reading, part = run.reading("test"), run.dataset.parts["test"]
    image, text = reading.image, reading.text
    if method == "ours":
        image, text = normalize(image, dim=1), normalize(text, dim=1)
    shipped = content(site / "explorer-data", f"toy-captions-{method}")
    exact = (text[row] @ image.T) if ask == "text" else (image[row] @ text.T)
    packed = [explorer.unpack(shipped[name]).double() for name in ("image", "text")]
    near = packed[1][row] @ packed[0].T if ask == "text" else packed[0][row] @ packed[1].T
    found = results(page)
    assert [one["row"] for one in found] == rank(near.unsqueeze(0))[0].tolist(), "of what is shipped, ties included"
    assert [one["rank"] for one in found] == list(range(1, len(exact) + 1))
    for one in found:
        assert abs(one["score"] - float(exact[one["row"]])) <= shipped["error"] + 6e-5
    labels = (part.text_labels if ask == "text" else part.labels)[row]
    gallery = part.labels if ask == "text" else part.text_labels
    assert [one["right"] for one in found] == [bool(labels @ gallery[one["row"]]) for one in found]


def test_narrow_embeddings_rank_exactly(tmp_path: Path, context: Any) -> None:
    """Embeddings as narrow as a class space: the browser's order is torch's own, wherever scores differ by 1e-4."""
    run = fake_run("ours")
    reading = run.reading("test")
    narrow = Reading(reading.image[:, :80], reading.text[:, :80], reading.image_scores, reading.text_scores)
    run.reading = lambda split: narrow
    run.network = lambda: Network(torch.randn(len(run.dataset.vocabulary), 80))
    shutil.copytree(ROOT / "book" / "_static" / "explorer", tmp_path / "explorer")
    shown = explorer.page([run], folder=tmp_path / "explorer-data", static=".")
    (tmp_path / "index.html").write_text(f"<!doctype html><meta charset=utf-8>{shown.data}", encoding="utf-8")
    assert content(tmp_path / "explorer-data", "toy-captions-ours")["error"] < 3e-5
    scores = normalize(narrow.text, dim=1) @ normalize(narrow.image, dim=1).T
    page = context.new_page()
    for row in (0, 6, 31):
        show(page, tmp_path, f"ask=text&row={row}")
        found = torch.tensor([one["row"] for one in results(page)])
        falling = scores[row][found]
        assert bool((falling[:-1] - falling[1:] > -1e-4).all())
        assert found[:3].tolist() == rank(scores[row : row + 1], 3)[0].tolist()
    page.close()


@pytest.mark.parametrize("direction", ["i2t", "t2i"])
def test_failures_have_the_kinds_that_the_library_finds(
    page: Page, site: Path, runs: dict[str, Any], direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(failures.TOP, direction, 2 * COUNT)
    expected = failures.find(runs["captions"], direction)
    names = {"semantic": "semantic confusion", "superclass": "super-class confusion", "other": "other failure"}
    for row in (0, 3, 8):
        show(page, site, f"dataset=toy-captions&method=ours&ask={'image' if direction == 'i2t' else 'text'}&row={row}")
        found = {one["row"]: one["notes"] for one in results(page)}
        for place, item in enumerate(expected.retrieved[row].tolist()):
            for kind, name in names.items():
                assert (name in found[item]) == bool(expected.kinds[kind][row, place]), (row, item, kind)


def test_hostile_texts_are_shown_as_text(page: Page, site: Path) -> None:
    show(page, site, "dataset=toy-captions&ask=text&row=0")
    assert page.locator(".explorer-query .explorer-text").text_content() == EVIL[0]
    options = page.locator(".explorer-list [role=option]")
    assert options.count() == 2 * COUNT
    assert options.nth(2).text_content() == EVIL[2] and options.nth(4).text_content() == "(empty text)"
    assert page.locator(".explorer .explorer-chips li", has_text="<b>bus</b>").count() > 0
    assert page.locator(".explorer b, .explorer i, .explorer script").count() == 0
    assert page.locator(".explorer-list bdi").count() == 2 * COUNT, "one text's direction does not turn its neighbours"
    show(page, site, "dataset=toy-captions&ask=image&row=0")
    assert page.locator(".explorer-query img").get_attribute("src").startswith("data:image/webp")


def test_pick_filter_and_compare(page: Page, site: Path) -> None:
    page.get_by_label("Beside it").select_option("other")
    expect(page.locator(".explorer-results section")).to_have_count(2)
    first = [one["row"] for one in results(page, 0)]
    assert all(re.search(r"rank \d+ in OTHER", one["notes"]) for one in results(page, 0))
    assert sorted(first) == sorted(one["row"] for one in results(page, 1))
    page.get_by_label("Find a sentence").fill("dog")
    page.get_by_role("option", name="a dog").first.click()
    expect(page.locator(".explorer-query .explorer-text")).to_have_text("a dog")
    whole = results(page)
    page.get_by_label("Show").select_option("wrong")
    wrong = results(page)
    assert wrong == [one for one in whole if not one["right"]] and 0 < len(wrong) < len(whole)
    page.get_by_label("Show").select_option("superclass")
    assert results(page) == [one for one in whole if "super-class" in one["notes"]]
    page.get_by_label("Show").select_option("all")
    page.get_by_label("With the label").select_option(label="car")
    kept = page.locator(".explorer-results section").first.locator(".explorer-chips").all_text_contents()
    assert 0 < len(kept) < len(whole) and all("car" in chips for chips in kept)
    expect(page.get_by_role("status")).to_contain_text("pass the filters")
    page.get_by_label("Dataset").select_option("toy-tags")
    expect(page.get_by_label("Find a tag set")).to_be_visible()
    values = page.get_by_label("Show").evaluate("select => [...select.options].map(option => option.value)")
    assert values == ["all", "right", "wrong", "semantic"], "no super-categories, no super-class confusion"


def test_a_list_with_nothing_in_it_chooses_nothing(page: Page, site: Path) -> None:
    show(page, site, "dataset=toy-captions&ask=text&row=2")
    page.locator("#explorer-find").fill("zzzz")
    expect(page.get_by_role("listbox")).to_contain_text("No sentence has that.")
    page.get_by_role("button", name="Surprise me").click()
    page.get_by_role("listbox").focus()
    for key in ("ArrowDown", "Home", "End"):
        page.keyboard.press(key)
    assert "row=2" in page.url and "NaN" not in page.url
    page.locator("#explorer-find").fill("")
    page.get_by_role("listbox").focus()
    page.keyboard.press("Home")
    assert page.locator("[role=option][aria-selected=true]").get_attribute("data-row") == "0"


def test_typed_words_are_approximate_and_unknown_ones_are_named(page: Page, site: Path, runs: dict[str, Any]) -> None:
    page.get_by_text("Your words", exact=True).click()
    expect(page.get_by_text("Approximate:")).to_be_visible()
    page.get_by_label("Type words").fill("A DOG, <img src=x onerror=hit> zzz’s!")
    expect(page.locator(".explorer-unknown")).to_have_text(
        "Not in the vocabulary: src, zzz's, hit. Searched for: a dog img x onerror."
        if "hit" not in runs["captions"].dataset.vocabulary.words
        else re.compile("Not in the vocabulary: zzz's")
    )
    shipped = content(site / "explorer-data", "toy-captions-ours")
    words = [word for word in tokenise("A DOG, <img src=x onerror=hit> zzz’s!") if word in shipped["vocabulary"]]
    mean = explorer.unpack(shipped["words"])[[shipped["vocabulary"].index(word) for word in words]].double().mean(0)
    scores = normalize(mean, dim=0) @ explorer.unpack(shipped["image"]).double().T
    assert [one["row"] for one in results(page)] == rank(scores.unsqueeze(0))[0].tolist()
    expect(page.get_by_label("Show")).to_be_disabled()
    page.get_by_label("Type words").fill("zzz")
    expect(page.locator(".explorer-card")).to_have_count(0)
    expect(page.get_by_role("status")).to_contain_text("type a word that the model knows")


def test_words_are_told_apart_as_the_library_does(page: Page) -> None:
    for text in (
        *EVIL,
        "Don't_stop 3.5 naïve İstanbul ’tis rock'n'roll 日本語 ½ x²",
        "ΑΒΣ straße १२",
        "हिन्दी cre\u0300me צה״ל שָׁלוֹם",
        "man’s Hawaiʻi Wör\u00adter می\u200cخواهم",
    ):
        assert page.evaluate("text => ExplorerSearch.tokenise(text)", text) == tokenise(text), text


def test_where_texts_were_cut_otherwise_typed_words_are_parted_by_spaces(page: Page) -> None:
    ask = """spaced => {
        const method = { spaced, wordIds: new Map() };
        return ExplorerSearch.average(method, " A-b\\tc, Cafe\\u0301 ").unknown;
    }"""
    assert page.evaluate(ask, True) == ["A-b", "c,", "Caf\u00e9"]
    assert page.evaluate(ask, False) == ["a", "b", "c", "caf\u00e9"]


def test_keyboard_alone(page: Page, site: Path) -> None:
    """Tab from the dataset to the list, arrows choose, Enter on a found item asks with it."""
    page.locator("#explorer-dataset").focus()
    visited = []
    for _ in range(8):
        visited.append(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('role') || ''"))
        if visited[-1] == "listbox":
            break
        page.keyboard.press("Tab")
    order = ["explorer-dataset", "explorer-method", "explorer-beside", "explorer-ask-text", "explorer-find"]
    assert [one for one in visited if one] == [*order, "listbox"]
    page.keyboard.press("ArrowDown")
    assert page.locator("[role=option][aria-selected=true]").get_attribute("data-row") == "1"
    page.keyboard.press("End")
    selected = page.locator("[role=option][aria-selected=true]")
    assert selected.get_attribute("data-row") == str(2 * COUNT - 1)
    assert selected.get_attribute("id") == page.locator("[role=listbox]").get_attribute("aria-activedescendant")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "focus is visible"
    expect(page.get_by_role("status")).to_contain_text("of the first 10 are relevant")
    page.locator("#explorer-ask-text").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Find a picture")).to_be_visible()
    page.locator(".explorer-ask").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#explorer-ask-text")).to_be_checked()
    assert page.evaluate("document.activeElement.getAttribute('role')") == "listbox"
    page.locator(".explorer-more").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.className") == "explorer-ask", "focus goes on to what was added"


def test_the_address_keeps_the_state(page: Page, site: Path) -> None:
    page.get_by_label("Beside it").select_option("other")
    page.get_by_role("option").nth(9).click()
    address = page.url
    shown = page.locator(".explorer-results").inner_text()
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator(".explorer-results section")).to_have_count(2)
    assert page.locator(".explorer-results").inner_text() == shown
    show(page, site, "dataset=nothing&method=<b>&ask=7&row=99999&label=x&show=y")
    assert len(results(page)) == COUNT, "an address that makes no sense is the default"


@pytest.mark.parametrize("state", ["ask=text&row=3&beside=other", "ask=image&row=1", "ask=words&words=a+dog"])
def test_nothing_is_wider_than_a_phone(page: Page, site: Path, state: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    show(page, site, f"dataset=toy-captions&{state}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.evaluate(
        """[...document.querySelectorAll(".explorer select, .explorer input:not([type=radio]), .explorer-pick button")]
            .filter(one => one.getBoundingClientRect().height < 40).length"""
    )
    assert small == 0, "fields are high enough for a thumb"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, site: Path, theme: str) -> None:
    dark = (
        "html[data-theme=dark] { background: #121212; --pst-color-text-base: #ced6dd; --pst-color-text-muted: #9ca4af; "
        "--pst-color-surface: #29313d; --pst-color-background: #121212; --pst-color-primary: #528fe4 }"
    )
    for state in ("ask=text&row=3&beside=other", "ask=image&row=1", "ask=words&words=a+dog+zzz"):
        show(page, site, f"dataset=toy-captions&{state}")
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.add_style_tag(content=dark)
        found = Axe().run(page, context=".explorer")
        assert len(found["passes"]) > 10, "it looked"
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []


def test_a_missing_file_is_named(context: Any, site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "copy")
    [path] = (tmp_path / "copy" / "explorer-data").glob("toy-captions-ours-*.js")
    path.unlink()
    page = context.new_page()
    page.goto((tmp_path / "copy" / "index.html").as_uri())
    expect(page.get_by_role("status")).to_contain_text(f"The file {path.name} is missing")
    assert page.get_by_role("status").bounding_box()["height"] > 10, "and seen"
    page.close()
