"""Progress in a notebook: one line that updates and is gone afterwards, whatever ends the work."""

from __future__ import annotations

import asyncio
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from semshare.book.execute import OwnKernel
from semshare.utils.progress import MARK, PLAIN

pytestmark = pytest.mark.slow

BEGIN = "import time\nfrom semshare.utils.progress import Progress\nwork = Progress('the <b>work</b>')\n"
LOOP = "for step in work.track(range(8), 8):\n    time.sleep(0.15)\nprint('after')"
ROWS = """
with work.epochs(2, 0) as advance:
    for epoch in (1, 2):
        for step in Progress('inner').track(range(3), 3):
            time.sleep(0.12)
        advance({'epoch': epoch, 'loss': 0.5, 'image_f1': 0, 'text_f1': 0, 'i2t': 0, 't2i': 0})
"""


class Client(NotebookClient):
    """Executes cells, an error or not, and notes what each of them showed and wrote over."""

    interrupts = False

    def __init__(self, *sources: str) -> None:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        notebook = nbformat.v4.new_notebook(cells=cells)
        super().__init__(notebook, timeout=120, allow_errors=True, kernel_manager_class=OwnKernel)
        self.shown: list[dict[str, Any]] = []
        self.sent = 0

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.shown.append(msg["content"])
            if self.interrupts and msg["msg_type"] == "update_display_data":
                self.interrupts = False
                asyncio.ensure_future(self.km.interrupt_kernel())  # noqa: RUF006 - the kernel's death awaits it
        return super().process_message(msg, cell, cell_index)

    def outputs(self, number: int) -> list[dict[str, Any]]:
        """The outputs of a cell as the notebook keeps them, but for outputs that hold nothing."""
        kept = self.nb.cells[number].outputs
        assert sum(output.get("data") == {} for output in kept) <= 1
        return [output for output in kept if output.get("data") != {}]


@pytest.fixture(autouse=True)
def as_people_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel of this Python, but with what a notebook shows people, not what the book's log shows."""
    plain = OwnKernel.kernel_spec.fget
    monkeypatch.setattr(OwnKernel, "kernel_spec", property(lambda self: _without_env(plain(self))))


def _without_env(spec: Any) -> Any:
    spec.env = {}
    return spec


def test_one_line_updates_and_leaves_nothing_behind() -> None:
    client = Client(BEGIN + "print('before')\n" + LOOP, ROWS)
    client.execute()
    texts = [one["data"].get("text/plain", "") for one in client.shown]
    first = [text for text in texts if text.startswith("the <b>work</b>: ") and "steps" in text]
    assert first[0] == "the <b>work</b>: 0/8 steps, 0 %" and len(first) >= 4
    assert "<code>the &lt;b&gt;work&lt;/b&gt;: 0/8 steps, 0 %</code>" in client.shown[0]["data"]["text/html"]
    assert 'value="0" max="8"' in client.shown[0]["data"]["text/html"]
    assert not any("widget" in kind for one in client.shown for kind in one["data"])
    assert "".join(output["text"] for output in client.outputs(0)) == "before\nafter\n"
    assert any("inner: " in text for text in texts) and any("epoch 1/2" in text for text in texts)
    assert client.outputs(1) == []
    assert len({one["transient"]["display_id"] for one in client.shown}) == 2  # one a cell


def test_a_cell_that_fails_leaves_its_error_alone() -> None:
    client = Client(BEGIN + "for step in work.track(range(8), 8):\n    work.say('hello')\n    1 / 0", LOOP)
    client.execute()
    assert [output["output_type"] for output in client.outputs(0)] == ["error"]
    assert "the <b>work</b>: hello" in [one["data"].get("text/plain") for one in client.shown]
    assert [output["text"] for output in client.outputs(1)] == ["after\n"]


def test_a_cell_can_be_interrupted_and_run_again() -> None:
    client = Client(BEGIN + LOOP)
    with client.setup_kernel():
        client.interrupts = True
        client.execute_cell(client.nb.cells[0], 0)
        (error,) = client.outputs(0)
        assert error["ename"] == "KeyboardInterrupt"
        client.execute_cell(client.nb.cells[0], 0)
        assert [output["text"] for output in client.outputs(0)] == ["after\n"]


def test_what_must_be_read_stays() -> None:
    client = Client(BEGIN + "work.say('goes'); work.say('stays', stays=True)\n" + LOOP)
    client.execute()
    told = {output["name"]: output["text"] for output in client.outputs(0)}
    assert told == {"stderr": f"{MARK}the <b>work</b>: stays\n", "stdout": "after\n"}


def test_the_book_reads_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert OwnKernel().kernel_spec.env == {PLAIN: "1"}
    client = Client(BEGIN + LOOP)
    client.execute()
    lines = "".join(output["text"] for output in client.outputs(0) if output.get("name") == "stderr")
    assert lines == f"{MARK}the <b>work</b>: 8 steps\n{MARK}the <b>work</b>: done\n" and client.shown == []
