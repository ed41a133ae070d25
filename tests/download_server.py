"""A server on 127.0.0.1 that serves one file in all the ways a network can go wrong.

The first part of an address names the way: http://127.0.0.1:PORT/cut/NAME
"""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CUT = 120_000  # bytes that one answer brings where it is cut off


class DownloadServer:
    """Serves `content`; `requests` notes (way, Range) of every request."""

    def __init__(self, content: bytes):
        self.content = content
        self.requests: list[tuple[str, str | None]] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def address(self, way: str, name: str = "file.tar.gz") -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{way}/{name}"

    def __enter__(self) -> DownloadServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self):
        self.close_connection = True
        self.owner = self.server.owner
        way = self.path.split("/")[1]
        self.owner.requests.append((way, self.headers["Range"]))
        with suppress(BrokenPipeError, ConnectionResetError):  # the client gave up, as it should
            getattr(self, way.replace("-", "_"))()

    def begin(self, status=200, length=None, **fields):
        self.send_response(status)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def asked(self):
        found = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        return int(found[1]) if found else 0

    # The ways, good ones first.

    def plain(self):
        self.begin(200, len(self.owner.content))
        self.wfile.write(self.owner.content)

    def ranges(self, limit=None):
        content, start = self.owner.content, self.asked()
        if start >= len(content) > 0:
            self.begin(416, 0, Content_Range=f"bytes */{len(content)}")
            return
        rest = content[start:]
        if start:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.begin(206, len(rest), Content_Range=span)
        else:
            self.begin(200, len(rest))
        self.wfile.write(rest[:limit])

    def redirect(self):
        self.begin(302, 0, Location=self.path.replace("redirect", "ranges"))

    def packed(self):
        """Calls the archive an encoding, as some servers do."""
        self.begin(200, len(self.owner.content), Content_Encoding="gzip")
        self.wfile.write(self.owner.content)

    # The bad ones.

    def cut_ranges(self):
        self.ranges(CUT)

    def cut(self):
        self.begin(200, len(self.owner.content))
        self.wfile.write(self.owner.content[:CUT])

    def cut_silently(self):
        self.begin(200)
        self.wfile.write(self.owner.content[:CUT])

    def cut_early(self):
        self.begin(200, len(self.owner.content))
        self.wfile.write(self.owner.content[: CUT // 8])

    def slow(self):
        self.owner.closing.wait(20)

    def drip_head(self):
        """One byte of the head now and then: no time-out of a socket ever ends that."""
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 500:
            self.wfile.write(bytes([byte]))
            if self.owner.closing.wait(0.05):
                return

    def stall(self):
        self.begin(200, len(self.owner.content))
        self.wfile.write(self.owner.content[:CUT])
        self.wfile.flush()
        self.owner.closing.wait(20)

    def drip(self):
        self.begin(200, len(self.owner.content))
        for byte in self.owner.content:
            self.wfile.write(bytes([byte]))
            if self.owner.closing.wait(0.05):
                return

    def garbage(self):
        page = b"<html>Please log in</html>" * 1000
        self.begin(200, len(page))
        self.wfile.write(page)

    def garbage_packed(self):
        self.begin(200, len(self.owner.content))
        self.wfile.write(b"\x1f\x8b" + b"\0" * (len(self.owner.content) - 2))

    def other_range(self):
        self.begin(206, 10, Content_Range="bytes 900000-900009/900010")
        self.wfile.write(b"0123456789")

    def odd_range(self):
        self.begin(416, 0)

    def loop(self):
        self.begin(302, 0, Location=self.path)

    def not_found(self):
        self.begin(404, 0)

    def unavailable(self):
        self.begin(503, 0)
