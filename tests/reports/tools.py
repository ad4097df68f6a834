"""Programs that some tests need and no package index has."""

from __future__ import annotations

import os
import shutil

import pytest

INSIST = "VISIONPEFT_INSIST"
"""Set by .ci/run where it has installed them: then a test that lacks its program fails instead of being skipped."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def program(*names: str) -> str:
    """Return the path of the first one that is installed; without any, the test is skipped with the reason."""
    if found := next(filter(None, map(shutil.which, names)), None):
        return found
    missing = f"{' or '.join(names[:2])} is not installed"
    if os.environ.get(INSIST):
        pytest.fail(f"{missing}, and {INSIST} is set")
    pytest.skip(missing)
