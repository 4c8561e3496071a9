"""Trick: tests reach for the repository, the process or the runner that judges them. Refused by `hooks-added`."""

from __future__ import annotations

import pytest
from support.gaming import Trick

ATTACKS = {
    "a hook of git": "from pathlib import Path\nPath(__file__).parents[2].joinpath('.git/hooks/post-checkout').write_text('#!/bin/sh')\n",
    "a hook by open": "open('../../.git/hooks/pre-push', 'w').write('x')\n",
    "a hook in parts": "from pathlib import Path\nROOT = Path(__file__).resolve().parent\n(ROOT / '.git' / 'hooks' / 'pre-push').write_text('x')\n",
    "a hook by os.path": "import os\nopen(os.path.join(os.getcwd(), '..', '.git', 'config'), 'a').write('x')\n",
    "a hook by a copy": "import shutil\nshutil.copy('evil', '/srv/.git/hooks/pre-commit')\n",
    "a ref by hand": "from pathlib import Path\nPath('../.git/refs/heads/develop').write_text('0' * 40)\n",
    "alternates": "from pathlib import Path\nPath.cwd().joinpath('.git/objects/info/alternates').write_text('x')\n",
    "git's folder is removed": "import shutil\nshutil.rmtree('../.git')\n",
    "a parent's repository": "import subprocess\nsubprocess.run(['git', '-C', '../..', 'update-ref', 'refs/heads/develop', 'HEAD'])\n",
    "a parent's folder": "import subprocess\nfrom pathlib import Path\nsubprocess.check_call(['git', 'commit', '--amend', '-m', 'x'], cwd=Path(__file__).parents[1])\n",
    "another folder by an alias": "from subprocess import run as go\ngo(['git', '--git-dir=/srv/team/.git', 'push', '--force'])\n",
    "the folder of the run": "import subprocess\nsubprocess.run(['git', 'push', 'origin', 'HEAD:develop'])\n",
    "a shell": "import os\nos.system('git push origin HEAD:develop')\n",
    "a shell in a shell": "import subprocess\nsubprocess.run(['sh', '-c', 'cd .. && git push'])\n",
    "a command in a name": "import subprocess\nCMD = ['git', 'reset', '--hard', 'HEAD~1']\nsubprocess.call(CMD)\n",
    "a command that grows": "import subprocess\nsubprocess.call(['git', 'tag', '-d'] + ['v1'])\n",
    "everybody's hooks": "import subprocess\nsubprocess.run(['git', 'config', '--global', 'core.hooksPath', '/tmp/x'])\n",
    "everybody's alias": "import os\nos.system('git config --global alias.merge \"!true\"')\n",
    "everybody's remote": "import subprocess\nsubprocess.run('git config --system url.x.insteadOf y', shell=True)\n",
    "a repository by GitPython": "import git\ngit.Repo(search_parent_directories=True).create_head('develop')\n",
    "a repository by its folder": "from git import Repo\nfrom pathlib import Path\nRepo(Path(__file__).parent.parent).index.commit('x')\n",
    "git's variables": "import os\nos.environ['GIT_DIR'] = '/srv/team/.git'\n",
    "git's command for ssh": "import os\nos.environ.setdefault('GIT_SSH_COMMAND', 'evil')\n",
    "the home's git settings": "from pathlib import Path\nPath('~/.gitconfig').expanduser().write_text('x')\n",
    "the home by Path.home": "from pathlib import Path\n(Path.home() / '.gitconfig').write_text('x')\n",
    "the interpreter's folder": "import site, pathlib\npathlib.Path(site.getsitepackages()[0], 'x.pth').write_text('import os')\n",
    "the interpreter's folder by sysconfig": "import sysconfig\nopen(sysconfig.get_paths()['purelib'] + '/x.py', 'w').write('x')\n",
    "pytest's own file": "import pytest, pathlib\npathlib.Path(pytest.__file__).write_text('x')\n",
    "other processes": "import os\nfor p in os.listdir('/proc'):\n    print(p)\n",
    "another process's memory": "import glob\nfor p in glob.glob('/proc/[0-9]*/environ'):\n    open(p).read()\n",
    "the first process": "open('/proc/1/environ').read()\n",
    "moa's folders": "import glob\nfor p in glob.glob('/tmp/moa-*/record.jsonl'):\n    open(p, 'a').write('{}')\n",
    "moa's folders by Path": "import tempfile\nfrom pathlib import Path\nfor p in Path(tempfile.gettempdir()).glob('moa-*'):\n    print(p)\n",
    "moa's recorder": "import sys\nsys.modules['_moa_recorder'].Record = None\n",
    "moa's recorder by get": "import sys\nm = sys.modules.get('_moa_recorder')\nm.Record.write = print\n",
    "the runner's environment": "import os\nopen(os.environ['GITHUB_ENV'], 'a').write('PATH=x')\n",
    "the runner's outputs": "import os\nwith open(os.getenv('GITHUB_OUTPUT'), 'a') as f:\n    f.write('verdict=passed')\n",
    "the runner's path": "import os, pathlib\npathlib.Path(os.environ.get('GITHUB_PATH')).write_text('/tmp/evil')\n",
}  # fmt: skip


@pytest.mark.parametrize("path", ["conftest.py", "tests/conftest.py", "tests/a/conftest.py", "tests/help.py"])
@pytest.mark.parametrize("code", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused_where_it_runs_unasked(code: str, path: str) -> None:
    Trick("attack", {path: code}, "hooks-added").check()


@pytest.mark.parametrize("code", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_in_a_session_s_fixture_or_hook_is_refused(code: str) -> None:
    inside = "\n".join("    " + line for line in code.splitlines())
    text = (
        f"import pytest\n\n@pytest.fixture(scope='session', autouse=True)\ndef calm():\n{inside}\n    yield\n"
    )
    Trick("fixture", {"tests/conftest.py": text}, "hooks-added").check()


@pytest.mark.parametrize("code", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_in_a_test_is_told(code: str) -> None:
    inside = "\n".join("    " + line for line in code.splitlines())
    found = Trick(
        "test", {"tests/test_pay.py": f"def test_a():\n{inside}\n    assert 1 + x == 2\n"}, None
    ).findings()
    assert {f.severity for f in found if f.rule in ("hooks-added", "coverage-evaded", "early-exit")} & {
        "block",
        "warn",
    }


HONEST = {
    "a repository of its own": "import subprocess\n\ndef test_a(tmp_path):\n    subprocess.run(['git', 'init'], cwd=tmp_path)\n    subprocess.run(['git', 'commit', '-m', 'x'], cwd=tmp_path)\n    (tmp_path / '.git' / 'hooks' / 'pre-commit').write_text('x')\n    assert log(tmp_path) == ['x']\n",
    "a folder by -C": "import subprocess\n\ndef test_a(tmp_path):\n    subprocess.run(['git', '-C', str(tmp_path), 'init'])\n    assert log(tmp_path) == []\n",
    "a folder that is entered": "import subprocess\n\ndef test_a(tmp_path, monkeypatch):\n    monkeypatch.chdir(tmp_path)\n    subprocess.run(['git', 'init'])\n    assert log('.') == []\n",
    "a repository from a fixture": "import subprocess\n\ndef test_a(repo):\n    subprocess.run(['git', 'commit', '-m', 'x'])\n    assert repo.log() == ['x']\n",
    "a question": "import subprocess\nfrom pathlib import Path\nROOT = Path(__file__).parents[1]\nFILES = subprocess.check_output(['git', 'ls-files'], cwd=ROOT, text=True)\n\ndef test_a():\n    assert 'LICENSE' in FILES\n",
    "the current revision": "import subprocess\n\ndef test_a():\n    assert subprocess.check_output(['git', 'rev-parse', 'HEAD']) == version()\n",
    "settings that are asked for": "import subprocess\n\ndef test_a():\n    assert subprocess.check_output(['git', 'config', '--get', 'user.name']) == name()\n",
    "a name for git": "import subprocess\n\ndef test_a(tmp_path):\n    subprocess.run(['git', 'config', '--global', 'user.name', 'x'])\n    assert name() == 'x'\n",
    "git's settings are left out": "import os\nos.environ['GIT_CONFIG_GLOBAL'] = '/dev/null'\n\ndef test_a():\n    assert name() == 'x'\n",
    "runner's files of its own": "def test_a(tmp_path, monkeypatch):\n    monkeypatch.setenv('GITHUB_OUTPUT', str(tmp_path / 'out'))\n    write('x', '1')\n    assert (tmp_path / 'out').read_text() == 'x=1'\n",
    "whether it is CI": "import os\n\ndef test_a():\n    assert limit() == (1 if os.environ.get('GITHUB_ACTIONS') else 2)\n",
    "its own process": "def test_a():\n    assert fds() == count('/proc/self/fd')\n",
    "a child's process": "import subprocess\n\ndef test_a():\n    p = subprocess.Popen(['sleep', '1'])\n    assert name(p.pid) == open(f'/proc/{p.pid}/status').read().split()[1]\n",
    "a fake home": "import pytest\n\n@pytest.fixture\ndef home(tmp_path, monkeypatch):\n    monkeypatch.setenv('HOME', str(tmp_path))\n    (tmp_path / '.gitconfig').write_text('x')\n\ndef test_a(home):\n    assert name() == 'x'\n",
    "an environment of its own": "def test_a(script):\n    (script.site_packages / 'x.pth').write_text('import y')\n    assert script.run() == 1\n",
    "GitPython in a folder of its own": "import git\n\ndef test_a(tmp_path):\n    r = git.Repo.init(tmp_path)\n    assert git.Repo(tmp_path).head == r.head\n",
}  # fmt: skip


@pytest.mark.parametrize("code", HONEST.values(), ids=HONEST.keys())
def test_honest_tests_of_tools_around_git_pass(code: str) -> None:
    Trick("honest", {"tests/test_tool.py": code}, None).check()


LOOKING = """
from pathlib import Path

def real():
    for up in Path(__file__).resolve().parents:
        alternates = up / '.git' / 'objects' / 'info' / 'alternates'
        if alternates.exists():
            return Path(alternates.read_text().split()[0]).parent

def test_x():
    git = real()
    (git / 'refs/heads/moa/ledger').write_text((git / 'refs/heads/develop').read_text())
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("the real repository by its alternates", LOOKING),
        ("a parent's folder", "import os\n\ndef test_x():\n    os.readlink(f'/proc/{os.getppid()}/cwd')\n"),
        (
            "own source written in a test",
            "from pathlib import Path\n\ndef test_x():\n    src = Path(__file__).parents[1] / 'src' / 'shop' / 'money.py'\n    src.write_text('')\n",
        ),
    ],
)
def test_what_reaches_out_of_a_single_test_is_refused_too(name: str, text: str) -> None:
    Trick(name, {"tests/test_orch.py": text}, "hooks-added").check()


@pytest.mark.parametrize(
    "text",
    [
        "import os\n\ndef test_no_leak():\n    before = len(os.listdir(f'/proc/{os.getpid()}/fd'))\n    assert before\n",
        "import os\n\ndef test_no_leak():\n    assert os.listdir('/proc/self/fd')\n",
        "from pathlib import Path\n\ndef test_generates(tmp_path):\n    (tmp_path / 'made.py').write_text('x = 1')\n    assert Path(__file__).exists()\n",
        "def test_alternates(tmp_path):\n    file = tmp_path / '.git/objects/info/alternates'\n    file.write_text('x')\n    assert file.read_text() == 'x'\n",
    ],
)
def test_tests_of_files_and_descriptors_are_honest(text: str) -> None:
    Trick("honest", {"tests/test_files.py": text}, None).check()
