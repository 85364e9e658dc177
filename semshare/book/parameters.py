"""The parameters of the notebooks: what each means and may be, one check for whoever sets them, and their files."""

from __future__ import annotations

import ast
import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from IPython import get_ipython
from IPython.display import HTML
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from semshare.data import catalogue
from semshare.errors import UserError
from semshare.experiment import Preset, Scale
from semshare.utils import files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_INJECTED = "# Parameters"  # how the cell begins that papermill puts after a notebook's own parameters
_NAME = re.compile(r"[\w][\w.-]*")


_NAMES = Annotated[list[str], Field(min_length=1)]


def _field(about: str, expected: str) -> Any:
    """A parameter that a notebook may have: what it means, and in words what it may be."""
    return Field(None, description=about, examples=[expected])


class Parameters(BaseModel):
    """All parameters of notebooks; a notebook has some of them."""

    model_config = ConfigDict(strict=True, extra="forbid")

    scale: Scale = _field("how much machine; it never changes the method", "smoke, laptop or full")
    preset: Preset = _field("the supplementary's reading, or the released code's behaviour", "paper or released")
    datasets: _NAMES = _field("what the page works on", "a list of names of the catalogue")
    seeds: Annotated[int, Field(ge=1)] | None = _field(
        "how many seeds are trained", "a whole number from 1, or None: the scale's own"
    )
    seed: Annotated[int, Field(ge=0)] = _field("the seed that is trained", "a whole number from 0")
    protocols: _NAMES = _field("how retrieval is read", "a list of names of protocols")
    device: str = _field("where it is computed", "auto, cpu, cuda, cuda:1...")
    root: str | None = _field("your own collection", "a folder or file, or None: a small collection is drawn")
    study: str = _field("the recording that is shown", "the name of a recorded study")

    @field_validator("datasets")
    @classmethod
    def _of_the_catalogue(cls, names: list[str]) -> list[str]:
        for name in names:
            catalogue.entry(name)
        return names


def expected(name: str) -> str:
    """What the parameter ``name`` may be, in words."""
    return Parameters.model_fields[name].examples[0]


def page(**values: Any) -> HTML:
    """Check the parameters of a notebook and show them, folded, on its page.

    Every notebook calls it in the cell after its parameters. What papermill was told to set is looked up in the cell
    it has put in: a misspelt name would be set and read by nothing.

    Args:
        values: every parameter that the notebook has, with its value.

    Raises:
        UserError: a value of the wrong type, an unknown dataset, or a name that the notebook does not have.
    """
    for name, told in _injected().items():
        if name not in values:
            raise UserError(f"{name}: no such parameter; this notebook has {', '.join(values)}")
        if values[name] != told:
            raise UserError(
                f"{name}: papermill was told {told!r}, and the page has {values[name]!r}: the cell with the defaults "
                "has lost its tag 'parameters'; give it back, or nothing that is asked for is done"
            )
    _check(values)
    rows = "".join(
        f"<dt><code>{html.escape(f'{name} = {value!r}')}</code></dt>"
        f"<dd>{html.escape(f'{Parameters.model_fields[name].description}: {expected(name)}')}</dd>"
        for name, value in values.items()
    )
    return HTML(f"<details class='parameters'><summary>Parameters of this page</summary><dl>{rows}</dl></details>")


def _injected() -> dict[str, Any]:
    """What papermill set in the notebook that is running, by name; nothing elsewhere."""
    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell is not None else []
    for source in reversed(cells):
        if source.startswith(_INJECTED):
            return {
                target.id: ast.literal_eval(node.value)
                for node in ast.parse(source).body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
    return {}


def _check(values: Mapping[str, Any]) -> None:
    """Raise :class:`UserError` for the first of ``values`` that is not what :class:`Parameters` says."""
    try:
        Parameters(**values)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        if name not in Parameters.model_fields:
            raise UserError(f"{name}: no such parameter, expected {', '.join(Parameters.model_fields)}") from None
        raise UserError(f"{name}: found {values[name]!r}, expected {expected(name)}") from None


@dataclass(frozen=True)
class Given:
    """The parameters of one book: of every notebook that has them, and by notebook of that one alone."""

    name: str = ""
    everywhere: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read(path: Path, notebooks: Mapping[str, Sequence[str]]) -> list[Given]:
    """The books that a YAML file asks for: one without a name, or a list of books with names.

    A key is a parameter, for every notebook that has it, or a notebook (``05_sensitivity`` or its number) with
    parameters of its own, which go before the others.

    Args:
        path: the file.
        notebooks: the parameters that each notebook has.

    Raises:
        UserError: no such file, no YAML; a parameter or notebook that does not exist, a value of the wrong type; a
            book without a name of its own in a list.
    """
    content = files.read_yaml(path)
    listed = content if isinstance(content, list) else [content]
    books = [_given(book, notebooks, f"{path}: ", named=isinstance(content, list)) for book in listed]
    if twice := sorted({book.name for book in books if [other.name for other in books].count(book.name) > 1}):
        raise UserError(f"{path}: name: {twice[0]!r} is given twice")
    return books


def _given(content: Any, notebooks: Mapping[str, Sequence[str]], begin: str, named: bool) -> Given:
    if not isinstance(content, dict):
        raise UserError(f"{begin}found {content!r}, expected parameters with their values, e.g. scale: smoke")
    content, name = dict(content), ""
    if named:
        name = content.pop("name", None)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserError(
                f"{begin}name: found {name!r}, expected a name for the book's folder, in quotes where it is a number"
            )
    everywhere: dict[str, Any] = {}
    own: dict[str, dict[str, Any]] = {}
    has = {parameter for names in notebooks.values() for parameter in names}
    for key, value in content.items():
        number = str(key).zfill(2) if str(key).isdigit() else str(key)
        notebook = next((stem for stem in notebooks if number in (stem, stem.split("_")[0])), None)
        if notebook is None:
            if key not in has:
                known = f"one of {', '.join(sorted(has))} or a notebook: {', '.join(notebooks)}"
                raise UserError(f"{begin}{key}: no such parameter, expected {known}")
            everywhere |= _checked({key: value}, sorted(has), begin)
        elif isinstance(value, dict):
            own[notebook] = _checked(value, notebooks[notebook], f"{begin}{notebook}: ")
        else:
            raise UserError(f"{begin}{notebook}: found {value!r}, expected parameters with their values")
    return Given(name, everywhere, own)


def _checked(values: Mapping[str, Any], known: Sequence[str], begin: str) -> dict[str, Any]:
    for name in values:
        if name not in known:
            raise UserError(f"{begin}{name}: no such parameter, expected one of {', '.join(known)}")
    try:
        _check(values)
    except UserError as error:
        raise UserError(begin + str(error)) from None
    return dict(values)
