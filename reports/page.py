"""Writes the page: one file that needs no network, `page.html` with the data in it.

Labels, errors and paths in records are anybody's text. They reach the page as JSON in which no tag can end or begin,
and the script makes text nodes of them; a content security policy lets no other script run and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .embed import contents
from .table import Table

TEMPLATE = Path(__file__).with_name("page.html")
BEGIN, END = "<script>", "</script>"
UNSAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}
"""What could end the script element inside a JSON text; all else that HTML or a line might trip over is ASCII."""


def text(tables: Sequence[Table], skipped: Sequence[str]) -> str:
    """Return the page."""
    template = TEMPLATE.read_text(encoding="utf-8")
    head, _, tail = template.replace("@@SCRIPT@@", digest(template)).partition("@@DATA@@")
    return head + embedded(contents(tables, skipped)) + tail


def embedded(value: Any) -> str:
    """Return a value as JSON that may stand inside a script element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(UNSAFE)


def digest(template: str) -> str:
    """Return the policy's name of the page's own script, sha256-...; no other one runs."""
    script = template[template.rindex(BEGIN) + len(BEGIN) : template.rindex(END)]
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
