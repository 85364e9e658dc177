"""Strangers' words in Markdown: what a browser shows is what they wrote, and nothing else happens."""

from __future__ import annotations

import re

import pytest
import yaml
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from semshare.utils.markdown import bullets, page, table, text


def _shown(markdown: str) -> BeautifulSoup:
    return BeautifulSoup(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown), "html.parser")


@pytest.mark.parametrize(
    "written",
    [
        "plain", "1. a", "12) a", "- a", "+ a", "* a", "# a", "> a", "=== a", "---", "| a | b |", "    a", "é ü 漢 🐕",
        "a\u202eb", "a\x00b\x1bc", "a\u2028b", "  a\tb\r\n", "a\n\nb", "<b>a</b>", "<!-- a", "&lt;b&gt;", "&amp;amp;",
        "[a](b)", "![a](b)", "<http://a.org>", "*a* **b** _c_ __d__ ~~e~~", "`a` ``b``", "\\a \\* \\\\", "$a$ $$b$$",
        "{a}`b`",
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["a line", "a cell", "a bullet"])
def test_text_shows_what_was_written_and_no_markup(written: str, where: str) -> None:
    expected = re.sub(r"[\x00-\x20\u2028\u202e]+", " ", written).strip()
    if where == "a line":
        found = _shown(text(written))
        assert [one.name for one in found.find_all(True)] == ["p"]
    elif where == "a cell":
        found = _shown(table(("head",), [(text(written),)])).find("td")
    else:
        (found,) = _shown(bullets([text(written)])).find_all("li")
    assert where == "a line" or not found.find_all(True)
    assert found.get_text().strip() == expected


def test_no_address_in_a_text_becomes_a_link_elsewhere_either() -> None:
    # Some hubs make links of bare addresses.
    found = text("see http://a.org, https://b.org, www.c.org and d@e.org")
    assert "://" not in found and "www." not in found and "@" not in found
    assert _shown(found).get_text().strip() == "see http://a.org, https://b.org, www.c.org and d@e.org"


@pytest.mark.parametrize(
    "value", ["a: b", "- a", "---", "a\n---\nb", "!!python/object:os.system", "{a", "yes", "", "é\u2028\x1b"]
)
def test_the_front_of_a_page_gives_back_what_was_put_in(value: str) -> None:
    facts = {"one": value, "two": [value, 0.25, {"three": value}]}
    content = page(facts, ["# Title", "", "last"])
    front, rest = content.removeprefix("---\n").split("\n---\n")
    assert yaml.safe_load(front) == facts
    assert rest == "\n# Title\n\nlast\n"


# What YAML 1.1 or 1.2 reads as a boolean, a number, nothing, a date, a comment or a reference.
OTHERWISE = (
    "no Yes ON off true y N null Null ~ 1 010 0o10 08 0x1F 1_000 1:30 1e3 1E-3 -1.5 .5 +.5e2 5. .inf -.INF .nan "
    "2024-01-01 2024-01-01T00:00:00Z #x &a *a !a @a `a %a = << - ? | > {} [] a: a:"
).split(" ")


@pytest.mark.parametrize("name", [*OTHERWISE, "", " a ", "a #b", "a: b", "'a'", '"a"', "a\tb", "\ufeffa"])
def test_a_name_in_front_is_text_for_every_reader_of_yaml(name: str) -> None:
    front = page({"name": name, "list": [name], name + "key": 1}, []).split("---\n")[1]
    assert yaml.safe_load(front) == {"name": name, "list": [name], name + "key": 1}
    assert re.match(r"name: ['\"]", front), "quoted: no reader of any version asks what it could mean"


def test_numbers_and_truth_in_front_stay_what_they_are() -> None:
    facts = {"a": 1, "b": -0.25, "c": 1e-05, "d": True, "e": None, "f": 1e300, "g": "plain words", "h": 10**20}
    front = page(facts, []).split("---\n")[1]
    assert yaml.safe_load(front) == facts
    assert "'" not in front and '"' not in front and "!" not in front


def test_an_object_is_refused_in_front() -> None:
    with pytest.raises(yaml.YAMLError):
        page({"one": object()}, [])
