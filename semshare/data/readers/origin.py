"""What a collection of your own is, and whose work, from a small file beside it.

``about.yaml`` (or ``.yml``, ``.json``); both fields may be left out::

    status: stand-in
    attribution: "Drawn by me, CC BY 4.0."

``status`` is ``real`` (a known dataset, all of it), ``subset`` (a part of one), ``own`` (none of them: the default) or
``stand-in`` (drawn or generated). Every page and card of the collection says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from semshare.errors import UserError
from semshare.utils.files import in_brief, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

_STEM = "about"
_ENDINGS = (".yaml", ".yml", ".json")


class Origin(BaseModel):
    """What a file says; None where it does not.

    Attributes:
        status: how near the collection is to what it is taken for.
        attribution: whose work it is, and under which licence.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    status: Literal["real", "subset", "own", "stand-in"] | None = None
    attribution: Annotated[str, Field(min_length=1, max_length=1000)] | None = None


def origin_beside(folder: Path) -> Origin:
    """What a file in ``folder`` says of the collection there; nothing where there is no such file.

    Raises:
        UserError: two such files, one that is no mapping, a field that means nothing, or a value that is not expected.
    """
    paths = [folder / f"{_STEM}{ending}" for ending in _ENDINGS if (folder / f"{_STEM}{ending}").is_file()]
    if not paths:
        return Origin()
    if len(paths) > 1:
        raise UserError(f"{paths[1]}: {paths[0].name} is here too, expected one of them")
    path = paths[0]
    content = read_yaml(path)  # JSON is YAML
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {in_brief(content)}, expected status and attribution")
    try:
        return Origin.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))[:60]
        expected = {
            "status": "real, subset, own or stand-in",
            "attribution": "a text of up to 1,000 characters",
        }.get(field, "status or attribution")
        raise UserError(f"{path}: {field}: found {in_brief(first['input'])}, expected {expected}") from None
