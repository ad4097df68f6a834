"""Writes the page: one file that needs no network, put together from the parts in `site/` with the data in it.

Labels, errors and paths in records are anybody's text. They reach the page as JSON in which no tag can end or begin,
and the script makes text nodes of them; a content security policy lets no other script run and nothing be fetched.
Charts are drawn by vega-embed, which the installed vl-convert brings; their expressions are interpreted, so that the
policy need not allow eval. Without that package the page has its tables and no charts, and says so.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import inflation
from .budget import Curve
from .embed import contents
from .table import Table

FOLDER = Path(__file__).with_name("site")
STYLES = ("theme", "table", "charts", "dialog")
SCRIPTS = (
    *("tools", "numbers", "shown", "table", "cells", "charts", "cost", "against", "means", "protocol"),
    *("statistics", "dialogs", "views", "start"),
)
EXPORTS = "window.vegaEmbed = vegaEmbed;"
UNSAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}
"""What could end the script element inside a JSON text; all else that HTML or a line might trip over is ASCII."""


def text(
    tables: Sequence[Table],
    skipped: Sequence[str],
    told: Sequence[inflation.Told] | None = None,
    studies: Sequence[Curve] = (),
) -> str:
    """Return the page.

    Args:
        tables: what is in it.
        skipped: what is not, and why.
        told: what other selection rules say of each table, where that is known already.
        studies: what tuning found over its budget.
    """
    found = [inflation.values(table) for table in tables] if told is None else told
    parts = {"LIBRARY": library(), "SCRIPT": joined(SCRIPTS, "js"), "STYLE": joined(STYLES, "css")}
    parts["POLICY"] = " ".join(f"'{digest(parts[name])}'" for name in ("LIBRARY", "SCRIPT"))
    parts["DATA"] = embedded(contents(tables, skipped, found, studies))
    first, *others = (FOLDER / "frame.html").read_text(encoding="utf-8").split("@@")
    for i in range(0, len(others), 2):
        first += parts[others[i]] + others[i + 1]
    return first


def joined(names: Sequence[str], end: str) -> str:
    """Return the style or the script: its parts one after the other."""
    return "\n".join((FOLDER / f"{name}.{end}").read_text(encoding="utf-8") for name in names)


@lru_cache(maxsize=1)
def library() -> str:
    """Return vega-embed with Vega and Vega-Lite as a script; empty where vl-convert is not installed.

    vl-convert takes seconds to put it together, always the same: it is kept in the user's cache folder.
    """
    try:
        import vl_convert
    except ImportError:
        return ""
    module = kept(f"vega-embed-{version('vl-convert-python')}.js", lambda: vl_convert.javascript_bundle(EXPORTS))
    module = module.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return f'(() => {{"use strict";{module}}})();'  # its names are its own


def kept(name: str, make: Callable[[], str]) -> str:
    """Return a text that takes long to make, from the user's cache folder if it is there and whole.

    It is never in a store, which may be anybody's: the text runs in the page.
    """
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # no such file, no text, no home
        told, _, text = (_cache() / name).read_text(encoding="utf-8").partition("\n")
        if told == digest(EXPORTS + text):
            return text
    text = make()
    with contextlib.suppress(OSError, RuntimeError):
        _cache().mkdir(parents=True, exist_ok=True)
        (_cache() / name).write_text(f"{digest(EXPORTS + text)}\n{text}", encoding="utf-8")
    return text


def _cache() -> Path:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    folder = given if given.is_absolute() else Path.home() / ".cache"  # the standard ignores a relative one
    return folder / "visionpeft"


def embedded(value: Any) -> str:
    """Return a value as JSON that may stand inside a script element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(UNSAFE)


def digest(script: str) -> str:
    """Return the policy's name of a script of the page's own, sha256-...; no other one runs."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
