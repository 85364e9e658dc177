"""A web server on 127.0.0.1 whose files misbehave as told: the downloads' tests talk to it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """``files`` by path; ``moods`` by path say how the next requests for it go, the last one for good.

    Moods: ``good``; ``no-range``; ``cut`` (half of what is asked for, then the connection closes); ``short`` (a whole
    answer with half the file); ``silent`` (a line that says nothing for 5 s); ``drip`` (in ten pieces);
    ``unsized`` (no length, half the file); ``shifted`` (another part than asked for); a number (that status).
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    moods: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str | None, int]] = field(default_factory=list)  # path, Range, status

    def mood(self, path: str) -> str:
        left = self.moods.get(path, ["good"])
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def serve() -> Iterator[Server]:
    """A running server; its thread ends with the block."""
    state, over = Server(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.close_connection = True
            mood, content = state.mood(self.path), state.files.get(self.path)
            if mood.isdecimal() or content is None:
                return self.answer(int(mood) if mood.isdecimal() else 404, b"<html>sorry</html>", {})
            if mood == "silent":
                over.wait(5)
                return None
            if mood == "short":
                content = content[: len(content) // 2]
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            headers, status = {"ETag": '"one"'}, 200
            if wanted and mood not in ("no-range", "unsized"):
                start, whole = int(wanted[1]), len(content)
                if start >= whole:
                    return self.answer(416, b"", {"Content-Range": f"bytes */{whole}"})
                start -= mood == "shifted"
                content, status = content[start:], 206
                headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
            return self.answer(status, content, headers, mood)

        def answer(self, status: int, content: bytes, headers: dict[str, str], mood: str = "good") -> None:
            state.asked.append((self.path, self.headers.get("Range"), status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if mood != "unsized":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if mood in ("cut", "unsized"):
                content = content[: len(content) // 2]
            pieces = 10 if mood == "drip" else 1
            size = -(-len(content) // pieces) or 1
            for start in range(0, len(content), size):
                self.wfile.write(content[start : start + size])
                self.wfile.flush()
                if mood == "drip":
                    time.sleep(0.02)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
