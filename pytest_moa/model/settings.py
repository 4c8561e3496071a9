"""The files that the test tools read their settings from, each list in its tool's own order."""

from __future__ import annotations

# https://docs.pytest.org/en/stable/reference/customize.html: the first file that speaks of pytest decides.
PYTEST_FILES = (
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
)
# https://coverage.readthedocs.io/en/latest/config.html: likewise.
COVERAGE_FILES = (".coveragerc", ".coveragerc.toml", "setup.cfg", "tox.ini", "pyproject.toml")
