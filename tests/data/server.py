"""A web server on this machine that behaves as well or as badly as a test wants; nothing here reaches a network."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What is served under one path, and how.

    Attributes:
        ranges: whether a request for the rest is understood.
        version: sent as ETag.
        heeds: whether If-Range is compared with it.
        breaks: bytes after which the connection is cut, once per entry.
        pause: seconds per 4 kB.
        status: instead of 200.
        head: further headers.
        length: whether the length is announced.
    """

    body: bytes = b""
    ranges: bool = True
    version: str | None = '"1"'
    heeds: bool = True
    breaks: list[int] = field(default_factory=list)
    pause: float = 0.0
    status: int = 200
    head: dict[str, str] = field(default_factory=dict)
    length: bool = True


@dataclass
class Server:
    url: str
    sites: dict[str, Site] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def serve(self, path: str, body: bytes, **how) -> str:
        self.sites[f"/{path}"] = Site(body, **how)
        return f"{self.url}/{path}"


class Handler(BaseHTTPRequestHandler):
    server_of: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        site = self.server_of.sites.get(self.path, Site(b"nothing here", status=404))
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        self.server_of.asked.append((self.path, self.headers.get("Range")))
        start = int(wanted[1]) if wanted and site.ranges and site.status == 200 else 0
        condition = self.headers.get("If-Range")
        if site.heeds and condition not in (None, site.version):
            start = 0
        if start >= len(site.body) > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else site.status)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(site.body) - 1}/{len(site.body)}")
        if site.length:
            self.send_header("Content-Length", str(len(site.body) - start))
        if site.version:
            self.send_header("ETag", site.version)
        for name, value in site.head.items():
            self.send_header(name, value)
        self.end_headers()
        self._send(site, site.body[start:])

    def _send(self, site: Site, body: bytes):
        if site.breaks:
            body = body[: site.breaks.pop(0)]
        with contextlib.suppress(ConnectionError):
            for i in range(0, len(body), 4096):
                self.wfile.write(body[i : i + 4096])
                time.sleep(site.pause)


@contextlib.contextmanager
def running() -> Iterator[Server]:
    handler = type("Handler", (Handler,), {})
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    web.daemon_threads = True
    handler.server_of = Server(f"http://127.0.0.1:{web.server_port}")
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield handler.server_of
    finally:
        web.shutdown()
        web.server_close()
        thread.join()


def sha256(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
