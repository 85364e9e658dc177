"""The buttons that open a notebook elsewhere, which need a repository."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import sphinx_book_theme
from jinja2 import Environment, FileSystemLoader

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def launch() -> ModuleType:
    spec = importlib.util.spec_from_file_location("launch", ROOT / "book" / "_ext" / "launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "repository", ["https://github.com/a/b", "https://github.com/a/b.git", "https://github.com/a/b/"]
)
def test_a_repository_gives_both_buttons_for_the_notebook_that_runs(launch: ModuleType, repository: str) -> None:
    assert [one["url"] for one in launch.links(repository, "main", "01_c")] == [
        "https://colab.research.google.com/github/a/b/blob/main/notebooks/01_c.ipynb",
        "https://mybinder.org/v2/gh/a/b/main?urlpath=lab/tree/notebooks/01_c.ipynb",
    ]


@pytest.mark.parametrize("repository", ["", "https://example.org/a/b", "https://github.com/a"])
def test_without_a_repository_there_are_none(launch: ModuleType, repository: str) -> None:
    assert launch.links(repository, "main", "01_c") == []


@pytest.mark.parametrize(("page", "groups"), [("book/sections/01_c", 1), ("book/sections/status", 0), ("book/api", 0)])
def test_sections_alone_have_them(launch: ModuleType, page: str, groups: int) -> None:
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options={"repository_url": "https://github.com/a/b"}))
    context = {"header_buttons": []}
    launch.add_buttons(app, page, "page.html", context, None)
    assert len(context["header_buttons"]) == groups


def test_the_theme_can_draw_them(launch: ModuleType) -> None:
    context = {"header_buttons": []}
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options={"repository_url": "https://github.com/a/b"}))
    launch.add_buttons(app, "book/sections/01_c", "page.html", context, None)
    theme = Path(sphinx_book_theme.__file__).parent / "theme" / "sphinx_book_theme"
    environment = Environment(loader=FileSystemLoader(theme), autoescape=True)
    macros = environment.get_template("macros/buttons.html").make_module({"translate": str})
    [group] = context["header_buttons"]
    drawn = macros.render_button_group(**{name: value for name, value in group.items() if name != "type"})
    assert drawn.count("<a href=") == 2 and "mybinder.org" in drawn
