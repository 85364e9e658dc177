"""What the book is made with: found before the first notebook runs, with the interpreters named."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import nbformat
import papermill
import pytest

from semshare.book import build, tools
from semshare.book.execute import OwnKernel
from semshare.errors import UserError


def _kernelspec(folder: Path, interpreter: str) -> None:
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [interpreter, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(content), encoding="utf-8")


def test_here_all_is_there() -> None:
    assert tools.check().startswith("jupyter-book 1.")


def test_a_kernel_of_another_python_is_named_with_both_interpreters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kernelspec(tmp_path, "/opt/other/bin/python")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    with pytest.raises(UserError) as caught:
        tools.installed_kernel()
    assert "/opt/other/bin/python" in str(caught.value) and sys.executable in str(caught.value)


@pytest.mark.slow
def test_the_book_starts_its_own_interpreter_whatever_kernelspecs_lie_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kernelspec(tmp_path, "/bin/false")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    cells = [nbformat.v4.new_code_cell("import sys; print(sys.executable)")]
    metadata = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), tmp_path / "a.ipynb")
    done = papermill.execute_notebook(
        str(tmp_path / "a.ipynb"), None, kernel_name="python3", progress_bar=False, kernel_manager_class=OwnKernel
    )
    assert done.cells[0].outputs[0].text == f"{sys.executable}\n"


def _version(found: str | None):
    def version(name: str) -> str:
        if found is None:
            raise PackageNotFoundError(name)
        return found

    return version


@pytest.mark.parametrize(
    ("found", "said"), [("2.0.1", "found 2.0.1"), ("1.0.4.post1", None), (None, "jupyter-book: not installed for")]
)
def test_jupyter_book_2_or_none_is_refused_before_a_notebook_runs(
    found: str | None, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "version", _version(found))
    if said is None:
        tools.check()
        return
    monkeypatch.setattr(build.queue, "execute_all", lambda *_: pytest.fail("a notebook ran"))
    with pytest.raises(UserError, match=said) as caught:
        build.build("smoke")
    assert sys.executable in str(caught.value) and "semshare[book]" in str(caught.value)


def test_a_missing_ipykernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"^kernel: ipykernel is not installed for {sys.executable}"):
        tools.check()


def test_a_notebook_that_lost_its_parameters_tag_is_refused_by_the_book(tmp_path: Path) -> None:
    path = tmp_path / "05_x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("scale = 'laptop'")]), path)
    with pytest.raises(UserError, match=r"^05_x.ipynb: no cell has the tag 'parameters'"):
        build._declared(path, {"scale": "smoke"})


@pytest.mark.slow
def test_a_notebook_that_lost_its_parameters_tag_is_refused_by_its_own_page(tmp_path: Path) -> None:
    source = Path(__file__).resolve().parents[2] / "notebooks" / "09_flickr25k.ipynb"
    notebook = nbformat.read(source, 4)
    (tagged,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    tagged.metadata["tags"].remove("parameters")
    nbformat.write(notebook, tmp_path / "09.ipynb")
    with pytest.raises(papermill.PapermillExecutionError, match="lost its tag 'parameters'"):
        papermill.execute_notebook(
            str(tmp_path / "09.ipynb"), None, {"study": "size"}, kernel_name="python3", progress_bar=False
        )
