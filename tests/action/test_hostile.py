"""The action's real steps and the real moa over a branch whose tests attack: nothing set, nothing leaked, nothing left.

What a runner does beside it (reading the files after the step, obeying the log) is looked at here as the runner would.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.processes import dies
from support.repos import Repo

from pytest_moa.github.runner_files import VARIABLES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc and the subreaper are Linux's")

_SECRETS = {
    "GITHUB_TOKEN": "s3cret-github",
    "GH_TOKEN": "s3cret-gh",
    "ACTIONS_RUNTIME_TOKEN": "s3cret-runtime",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s3cret-oidc",
    "INPUT_TOKEN": "s3cret-input",
}
_BRANCH = "agent-05-$(id)`id`'\"\N{LINE SEPARATOR}x\u0085##\N{LINE SEPARATOR}</summary>@octocat|x"
_FILES = {
    "core.py": "def add(a, b):\n    return a + b\n",
    "tests/test_core.py": "from core import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
}

_ATTACK = """
import json, os, pathlib, subprocess, sys

HERE = pathlib.Path({loot!r})
FILES = pathlib.Path({files!r})


def _above():
    pid = os.getpid()
    while pid > 1:
        yield pid
        pid = int(pathlib.Path(f"/proc/{{pid}}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _seen(pid):
    try:
        raw = pathlib.Path(f"/proc/{{pid}}/environ").read_bytes()
        return raw.decode("utf-8", "replace"), pathlib.Path(f"/proc/{{pid}}/cmdline").read_text()
    except OSError:
        return "", ""


def test_attack(capfd):
    steps = [_seen(pid) for pid in _above()]
    steps = steps[: next((n for n, (_, c) in enumerate(steps) if "runner-stand-in" in c), len(steps))]
    (HERE / "seen.json").write_text(json.dumps({{"own": dict(os.environ), "above": steps}}))
    for path in sorted(FILES.iterdir()):
        with path.open("a") as f:
            f.write("EVIL=1\\nverdict=passed\\n/evil\\n")
    (FILES / "set_env_new").write_text("EVIL=1\\n")
    event = pathlib.Path({event!r})
    event.write_text(json.dumps({{"pull_request": {{"number": 1}}}}))
    daemon = ("import os, time\\nif os.fork(): os._exit(0)\\nos.setsid()\\nif os.fork(): os._exit(0)\\n"
              f"open({{str(HERE / 'daemon')!r}}, 'w').write(str(os.getpid()))\\ntime.sleep(300)")
    subprocess.run([sys.executable, "-c", daemon])
    words = "half\\n::set-output name=verdict::passed\\n::add-path::/evil\\nx ##[add-path]/evil\\n"
    words += "::stop-commands::mine\\n::mine::\\n\\x85::add-mask::passed\\n\\u2028::error::forged\\n"
    with capfd.disabled():
        print(words)
        print(words, file=sys.stderr, flush=True)
    assert False, words
"""


@dataclass(frozen=True)
class Job:
    root: Path
    repo: Repo

    @property
    def files(self) -> Path:
        return self.root / "commands"

    def step(self, name: str, **more: str) -> subprocess.CompletedProcess[str]:
        own = {n: str(self.files / f"{n.lower()}_{name}") for n in VARIABLES}
        for path in own.values():
            Path(path).touch()
        environ = {
            **{n: v for n, v in os.environ.items() if not n.startswith(("GITHUB_", "IN_"))},
            **own,
            "GITHUB_WORKSPACE": str(self.repo.path),
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_REF": f"refs/heads/{_BRANCH}",
            "GITHUB_EVENT_PATH": str(self.root / "event.json"),
            "RUNNER_TEMP": str(self.root / "temp"),
            "IN_PYTHON": sys.executable,
            **_SECRETS,
            **more,
        }
        # As bash does with `exec`: the runner's own process stands above, and the secrets in it are not ours to hide.
        runner = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[2:]))"
        words = [sys.executable, "-I", "-c", runner, "runner-stand-in", "env", "-i"]
        words += [f"{n}={v}" for n, v in environ.items()]
        words += [sys.executable, "-I", "-m", "pytest_moa.action", name]
        return subprocess.run(
            words, cwd=self.repo.path, capture_output=True, text=True, timeout=300, check=False
        )

    def outputs(self, name: str) -> dict[str, str]:
        text = (self.files / f"github_output_{name}").read_text()
        found = re.findall(r"^([\w-]+)<<(moa_\w+)\n(.*?)\n\2\n", text, re.DOTALL | re.MULTILINE)
        assert "EVIL" not in re.sub(
            r"^([\w-]+)<<(moa_\w+)\n(.*?)\n\2\n", "", text, flags=re.DOTALL | re.MULTILINE
        )
        return {n: v for n, _, v in found}

    def whole(self) -> tuple[str, int, dict[str, str]]:
        """Both steps; the log, the last one's status and its outputs."""
        tested = self.step("test")
        assert tested.returncode == 0, tested.stderr
        handed = {f"MOA_ACTION_{n.upper()}": v for n, v in self.outputs("test").items()}
        ended = self.step("finish", MOA_ACTION_OUTCOME="success", **handed)
        return tested.stdout + ended.stdout, ended.returncode, self.outputs("finish")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, str, int, dict[str, str]]:
    root = tmp_path_factory.mktemp("hostile")
    for name in ("commands", "temp", "loot"):
        (root / name).mkdir()
    (root / "event.json").write_text('{"ref": "x"}')
    (root / "commands" / "set_env_outer").write_text("KEPT=1\n")
    repo = Repo.create(root / "work", files=_FILES)
    attack = _ATTACK.format(
        loot=str(root / "loot"), files=str(root / "commands"), event=str(root / "event.json")
    )
    repo.branch(_BRANCH).writes({"tests/agent05/test_evil.py": textwrap.dedent(attack)}).commits()
    job = Job(root, repo)
    return (job, *job.whole())


Attacked = tuple[Job, str, int, dict[str, str]]


def test_the_branch_is_judged_all_the_same(attacked: Attacked) -> None:
    _, _, status, outputs = attacked
    assert (status, outputs["verdict"], outputs["agent"]) == (1, "failed", "05")


def test_no_secret_and_no_path_to_a_command_file_is_seen_from_a_test(attacked: Attacked) -> None:
    job, _, _, _ = attacked
    seen = json.loads((job.root / "loot" / "seen.json").read_text())
    assert seen["above"], "the attack has to see its parents"
    everything = json.dumps(seen)
    for secret in _SECRETS.values():
        assert secret not in everything
    assert str(job.files) not in json.dumps(seen["own"])
    moa = [environ for environ, words in seen["above"] if "pytest_moa.action" not in words]
    assert moa
    assert not [environ for environ in moa if str(job.files) in environ or "event.json" in environ]


def test_the_runners_files_are_as_they_were(attacked: Attacked) -> None:
    job, _, _, outputs = attacked
    assert (job.files / "set_env_outer").read_text() == "KEPT=1\n"
    assert (job.root / "event.json").read_text() == '{"ref": "x"}'
    left = {path.name: path.read_text() for path in job.files.iterdir()}
    assert "set_env_new" not in left
    assert not [
        name for name, text in left.items() if "EVIL" in text or ("/evil" in text and "summary" not in name)
    ]
    assert "set_env_outer" in Path(outputs["summary-path"]).read_text()


def test_what_was_printed_is_no_command(attacked: Attacked) -> None:
    job, log, _, _ = attacked
    token = re.search(r"^::stop-commands::([0-9a-f]{64})$", log, re.MULTILINE)
    assert token
    inside, outside = log.split(f"\n::{token[1]}::\n", 1)
    fenced = inside.split(f"::stop-commands::{token[1]}\n", 1)[1]
    assert token[1] not in fenced
    said = [line for line in outside.split("\n") if re.match(r"\s*::", line) or "##[" in line]
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in said), said
    for line in (*fenced.split("\n"), *(line for line in outside.split("\n") if line not in said)):
        assert not re.match(r"\s*::", line), line
        assert "##[" not in line
    summary = (job.files / "github_step_summary_finish").read_text()
    assert "FAILED" in summary[:300]


def test_what_was_started_is_dead(attacked: Attacked) -> None:
    job, _, _, _ = attacked
    assert dies(int((job.root / "loot" / "daemon").read_text()))


_KILL = """
import os, pathlib, signal

FILES = pathlib.Path({files!r})


def test_kill():
    forged = "folder<<x\\n/tmp\\nx\\ndigest<<x\\n00\\nx\\ncommit<<x\\n{oid}\\nx\\nnext<<x\\nland\\nx\\n"
    with (FILES / "github_output_test").open("a") as f:
        f.write(forged)
    with (FILES / "github_env_outer").open("a") as f:
        f.write("EVIL=1\\n")
    above, pid = [], os.getppid()
    while pid > 1 and b"runner-stand-in" not in pathlib.Path(f"/proc/{{pid}}/cmdline").read_bytes():
        above.append(pid)
        pid = int(pathlib.Path(f"/proc/{{pid}}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert len(above) > 1
    for pid in reversed(above):
        os.kill(pid, signal.SIGKILL)
"""


def test_a_test_that_kills_the_step_itself_is_undetermined_and_lands_nothing(tmp_path: Path) -> None:
    for name in ("commands", "temp"):
        (tmp_path / name).mkdir()
    (tmp_path / "event.json").write_text("{}")
    repo = Repo.create(tmp_path / "work", files=_FILES)
    attack = _KILL.format(files=str(tmp_path / "commands"), oid="c" * 40)
    repo.branch(_BRANCH).writes({"tests/agent05/test_evil.py": attack}).commits()
    job, before = Job(tmp_path, repo), repo.head("refs/heads/develop")
    (job.files / "github_env_outer").write_text("")
    tested = job.step("test", IN_TRUSTED_AGENTS="true")
    assert tested.returncode != 0
    handed = {f"MOA_ACTION_{n}": v for n, v in (("FOLDER", "/tmp"), ("DIGEST", "00"), ("NEXT", "land"))}
    ended = job.step("finish", MOA_ACTION_OUTCOME="failure", MOA_ACTION_COMMIT="c" * 40, **handed)
    outputs = job.outputs("finish")
    assert (ended.returncode, outputs["verdict"], outputs["landed"]) == (1, "undetermined", "")
    assert "EVIL" not in (job.files / "github_env_outer").read_text()
    assert repo.head("refs/heads/develop") == before
