"""A headless Chromium that is driven by its own protocol over two pipes: sizes, themes, keys, screenshots."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

CODES = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, "Space": 32}
LONGEST = 120.0


class Chromium:
    """One page of a browser of its own; a context manager."""

    def __init__(self, binary: str, profile: Path) -> None:
        self.said: list[str] = []
        self._calls, self._rest = 0, b""
        (theirs, self._to), (self._from, back) = os.pipe(), os.pipe()
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        # the browser reads from its descriptor 3 and writes to 4
        shell = f'exec "$0" "$@" 3<&{theirs} 4>&{back}'
        command = ["bash", "-c", shell, binary, *options, "about:blank"]
        self._process = subprocess.Popen(command, pass_fds=(theirs, back), stderr=subprocess.DEVNULL)
        os.close(theirs)
        os.close(back)
        self._session: str | None = None
        pages = [one for one in self("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Performance"):
            self(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """Give a command and return its result."""
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": params}
        if self._session:
            call["sessionId"] = self._session
        os.write(self._to, json.dumps(call).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == self._calls:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._from, 2**20)
            assert piece, "the browser has gone"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.said.append(" ".join(str(one.get("value", "")) for one in params["args"]))
        elif message.get("method") == "Runtime.exceptionThrown":
            self.said.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.said.append(params["entry"]["text"])

    def look(self, width: int = 1280, height: int = 900, theme: str = "light") -> None:
        """Have a window of a size, for a user who prefers a theme."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])

    def open(self, url: str) -> None:
        """Open a page and wait until it and its charts are drawn."""
        self("Page.navigate", url="about:blank")
        self("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && document.querySelector('#table table') !== null")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is drawn any more."""
        self.run("(async () => { for (const one of drawn.values()) await one.queue; })()")
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")

    def run(self, script: str) -> Any:
        """Return what an expression of the page's is, a promise once it is kept."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression holds."""
        end = time.monotonic() + LONGEST
        while not self.run(condition):
            assert time.monotonic() < end, f"never: {condition}"
            time.sleep(0.02)

    def press(self, key: str, times: int = 1) -> None:
        """Press a key."""
        text = {"Enter": "\r", "Space": " "}.get(key, "")
        name = " " if key == "Space" else key
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                typed = {"text": text} if text and kind == "keyDown" else {}
                code = CODES[key]
                self("Input.dispatchKeyEvent", type=kind, key=name, code=key, windowsVirtualKeyCode=code, **typed)

    def picture(self, path: Path, whole: bool = True) -> None:
        """Write a PNG of the page, or of what is seen of it."""
        shot = self("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
