"""Pictures by the batch: decoded by threads ahead of whoever computes with them, and computed one by one in need."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import torch
from PIL import Image

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_Computed = TypeVar("_Computed")

_AHEAD = 2  # batches decoded while one is computed
_UNREADABLE = (UserError, OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


def decoded(
    batches: Sequence[Sequence[str]], picture: Callable[[str], Image.Image], workers: int | None = None
) -> Iterator[tuple[dict[str, Image.Image], dict[str, str]]]:
    """The pictures of each batch of ids, and why the others of the batch cannot be read.

    Args:
        batches: ids, each once.
        picture: opens the picture of an id; called from threads.
        workers: decoding threads, by default one a core and at most 8.
    """

    def read(id: str) -> Image.Image | str:
        try:
            opened = picture(id)
            opened.load()
            return opened
        except _UNREADABLE as error:
            return str(error) or type(error).__name__

    pool = ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1))
    try:
        jobs = ([(id, pool.submit(read, id)) for id in ids] for ids in batches)
        waiting = deque(islice(jobs, _AHEAD + 1))
        while waiting:
            results = {id: future.result() for id, future in waiting.popleft()}
            yield (
                {id: result for id, result in results.items() if not isinstance(result, str)},
                {id: result for id, result in results.items() if isinstance(result, str)},
            )
            waiting.extend(islice(jobs, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def computed(
    compute: Callable[[list[Image.Image]], _Computed], pictures: Mapping[str, Image.Image]
) -> tuple[list[tuple[list[str], _Computed]], dict[str, str]]:
    """``compute`` of ``pictures`` (by id) together, or of each alone where it fails on them together.

    A picture one pixel high, say, leaves nothing for a detector to look at: it must not take its batch along.

    Returns:
        Ids with what was computed of them, and the other ids with the reason why not.

    Raises:
        UserError: one that ``compute`` raised: it is of no single picture.
        torch.AcceleratorError: the device failed, not the picture.
    """
    if not pictures:
        return [], {}
    try:
        return [(list(pictures), compute(list(pictures.values())))], {}
    except (UserError, torch.AcceleratorError):
        raise
    except Exception as error:  # what a network says of a picture that it cannot take depends on its layers
        if len(pictures) == 1:
            [id] = pictures
            return [], {id: f"nothing can be computed of this picture: {_first_line(error)}"}
    parts, failed = [], {}
    for id, picture in pictures.items():
        part, reason = computed(compute, {id: picture})
        parts += part
        failed |= reason
    return parts, failed


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:160]}"
