"""The small project that queues land on: what the target holds, and how a function of it is changed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from support.repos import Content

Files = dict[str, Content]

LIMITS = ("small", "medium", "large")
"""Functions that nobody's old tests pin down: pairs are made of them."""

# Runs in whatever session collects it, so it says nothing where no story is told.
CONFTEST = '''\
"""Writes down each session that runs tests, outside of the repository."""

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path

STORY = os.environ.get("STORY")
ROOT = Path(__file__).parent
SKIPPED = {".git", "__pycache__", ".pytest_cache"}


def blobs():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in files:
            path = Path(folder) / name
            data = path.read_bytes()
            oid = hashlib.sha1(b"blob %d\\0" % len(data) + data).hexdigest()
            yield f"{oid} {path.relative_to(ROOT)}"


def new_place():
    number = 1
    while True:
        path = Path(STORY) / f"session-{number}.json"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            number += 1
        else:
            return number, path


def pytest_sessionstart(session):
    config = session.config
    if STORY is None or config.option.collectonly or hasattr(config, "workerinput"):
        return
    rows = sorted(blobs())
    number, path = new_place()
    config.story = path, {
        "agents": sorted(p.name.removeprefix("agent") for p in ROOT.glob("tests/agent*") if list(p.glob("test_*"))),
        "tree": hashlib.sha256("\\n".join(rows).encode()).hexdigest(),
        "began": time.time(),
        "slot": os.environ.get("MOA_SLOT"),
        "pid": os.getpid(),
    }
    keep(config)
    script = Path(STORY) / f"during-{number}"
    if script.exists():
        subprocess.run(["sh", str(script)], check=True)


def pytest_sessionfinish(session, exitstatus):
    config = session.config
    if hasattr(config, "story"):
        keep(config, ended=time.time(), status=int(exitstatus), items=len(getattr(session, "items", ())))


def keep(config, **more):
    path, facts = config.story
    facts.update(more)
    other = path.with_suffix(f".{os.getpid()}")
    other.write_text(json.dumps(facts))
    os.replace(other, path)
'''

BASE: Mapping[str, Content] = {
    "pyproject.toml": (
        '[project]\nname = "shop"\nversion = "1"\n\n[tool.pytest.ini_options]\n'
        'testpaths = ["tests"]\npythonpath = ["src"]\n'
    ),
    ".gitignore": "__pycache__/\n.pytest_cache/\n",
    "conftest.py": CONFTEST,
    "src/shop/__init__.py": "",
    "src/shop/core.py": "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x / 2\n",
    "src/shop/limits.py": "\n\n".join(f"def {name}():\n    return 10\n" for name in LIMITS),
    "src/shop/settings.py": 'NAME = "shop"\n',
    "src/shop/constants.py": "RATE = 3\n",
    "src/shop/legacy.py": "def new_way(x):\n    return x\n\n\ndef old_way(x):\n    return -x\n",
    "src/shop/rates.json": '{"eur": 100, "usd": 108}\n',
    "src/shop/rates.py": (
        "import json\nfrom pathlib import Path\n\n\ndef rate(name):\n"
        '    return json.loads(Path(__file__).with_suffix(".json").read_text())[name]\n'
    ),
    "tests/test_core.py": (
        "from shop.core import double, half\n\n\ndef test_double():\n    assert double(2) == 4\n\n\n"
        "def test_half():\n    assert half(4) == 2\n"
    ),
    "tests/test_limits.py": (
        "from shop import limits\n\n\ndef test_limits():\n"
        "    assert min(limits.small(), limits.medium(), limits.large()) > 0\n"
    ),
    "tests/test_constants.py": (
        "from shop.constants import RATE\n\n\ndef test_rate():\n    assert RATE * 2 == 6\n"
    ),
    "tests/test_legacy.py": (
        "from shop.legacy import new_way, old_way\n\n\ndef test_ways():\n    assert new_way(1) == -old_way(1)\n"
    ),
    "tests/test_rates.py": 'from shop.rates import rate\n\n\ndef test_rates():\n    assert rate("usd") > 100\n',
    "tests/test_network.py": (
        "import os\nfrom pathlib import Path\n\n\ndef test_answers():\n"
        '    left = Path(os.environ.get("STORY", "/")) / "flaky-old"\n'
        "    times = int(left.read_text()) if left.exists() else 0\n"
        "    if times:\n        left.write_text(str(times - 1))\n    assert times == 0\n"
    ),
}


def with_function(text: str, function: str, body: str) -> str:
    """The module's text with the one line that is a function's body replaced."""
    changed, times = re.subn(rf"(def {function}\(.*\):\n).*\n", rf"\g<1>{body}\n", text)
    assert times == 1, function
    return changed


def with_load(seconds: float) -> Files:
    """Source and tests that keep a processor busy under coverage for about so long."""
    work = "def work(n):\n    found = 0\n    for i in range(n):\n        found = found + i % 7\n    return found\n"
    test = (
        "import pytest\n\nfrom shop.load import work\n\n\n"
        f"@pytest.mark.parametrize('n', range({round(seconds * 100)}))\ndef test_work(n):\n"
        "    assert work(50_000 + n) > 0\n"
    )
    return {"src/shop/load.py": work, "tests/test_load.py": test}
