"""Pictures decoded by threads, some batches ahead of whoever reads them."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from PIL import Image

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
