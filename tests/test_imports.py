"""Which module may import which: the edges that were cut stay cut."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "semshare"


def runtime_imports(path: Path) -> set[str]:
    """The names of semshare's modules that the module at ``path`` imports when it is run, in functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in typing_only:
            imported |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import) and id(node) not in typing_only:
            imported |= {alias.name for alias in node.names}
    return imported


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("methods", "semshare.reference"),
        ("devices", "semshare.data.dataset"),
        ("processes", "semshare.data.dataset"),
        ("data/base", "semshare.data.detector"),
        ("data/dataset", "efficientnet_lite_pytorch"),
        ("data/base", "efficientnet_lite_pytorch"),
        ("retrieval", "semshare.cards"),
        ("explorer", "semshare.cards"),
        ("bootstrap", "semshare.failures"),
        ("figures", "semshare.retrieval"),
        ("report", "semshare.grid"),
        ("pretrained", "semshare.data.detector"),
        ("data/scene_pool", "semshare.data.scene_sprites"),
        ("diagnosis", "IPython.display"),
        ("real_tags", "IPython.display"),
        ("experiment", "torch"),
        ("protocols", "semshare.data.catalogue"),
    ],
)
def test_a_cut_edge_stays_cut(module: str, imported: str) -> None:
    assert imported not in runtime_imports(PACKAGE / f"{module}.py")


def test_gensim_is_imported_by_what_trains_word_vectors_alone() -> None:
    tree = ast.parse((PACKAGE / "data" / "words.py").read_text(encoding="utf-8"))
    top = [ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert not any("gensim" in line for line in top) and "gensim.models" in runtime_imports(PACKAGE / "data/words.py")
