"""A real pytest in a process of its own: what it reports, and what it cannot get away with."""

from __future__ import annotations

import os
import py_compile
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.processes import dies, is_alive, mentions

from pytest_moa.errors import UndeterminedError
from pytest_moa.model.evidence import ForeignModule
from pytest_moa.testing.process import HEAD, TAIL, Output
from pytest_moa.testing.request import Group
from pytest_moa.testing.run import Question, analyse, analyse_each, run_child
from pytest_moa.testing.settings import CoverageSettings

EVERYTHING = """
    import unittest
    import pytest

    def test_passes(): pass
    def test_fails(): assert 1 == 2
    @pytest.mark.skip(reason="later")
    def test_skipped(): pass
    @pytest.mark.xfail(reason="known")
    def test_xfails(): assert 0
    @pytest.mark.xfail
    def test_xpasses(): pass
    @pytest.mark.xfail(strict=True)
    def test_passes_against_a_strict_mark(): pass
    @pytest.fixture
    def broken(): raise OSError("no database")
    def test_has_a_broken_setup(broken): pass
    @pytest.fixture
    def late():
        yield
        raise OSError("cannot clean")
    def test_has_a_broken_teardown(late): pass
    class TestCase(unittest.TestCase):
        def test_unit(self): pass
        def test_has_a_failing_subtest(self):
            with self.subTest(): self.fail("inner")
    counter = []
    @pytest.mark.flaky(reruns=2)
    def test_passes_at_last():
        counter.append(1)
        assert len(counter) == 3
    @pytest.mark.flaky(reruns=1)
    def test_fails_twice(): assert 0
"""
EXPECTED = {
    "test_passes": "passed",
    "test_fails": "failed",
    "test_skipped": "skipped",
    "test_xfails": "xfailed",
    "test_xpasses": "xpassed",
    "test_passes_against_a_strict_mark": "failed",
    "test_has_a_broken_setup": "error",
    "test_has_a_broken_teardown": "error",
    "test_unit": "passed",
    "test_has_a_failing_subtest": "failed",
    "test_passes_at_last": "passed",
    "test_fails_twice": "failed",
}


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n2")], ids=["alone", "xdist"])
def test_each_collected_id_gets_its_one_last_outcome(
    project: Any, outcomes: Any, workers: tuple[str, ...]
) -> None:
    seen = project.has("test_all.py", EVERYTHING).runs("-p", "pytest_rerunfailures", *workers)
    assert outcomes(seen) == EXPECTED
    assert len(seen.collected) == len(EXPECTED)
    assert (seen.session_status, seen.end.status, seen.problems, seen.running) == (1, 1, (), None)
    messages = {outcome.id.rpartition("::")[2]: outcome.message for outcome in seen.outcomes}
    assert messages["test_fails"].startswith("test_all.py:6: assert 1 == 2")
    assert "no database" in messages["test_has_a_broken_setup"]


def test_lines_are_counted_under_the_group_whose_tests_ran_them(project: Any) -> None:
    project.has("src/pkg/__init__.py", "def f(x):\n    if x:\n        return 1\n    return 2\n")
    project.has("src/pkg/unused.py", "def g():\n    return 3\n")
    project.has("tests/a/test_a.py", "import pkg\ndef test_a(): assert pkg.f(1) == 1\n")
    project.has("tests/b/test_b.py", "import pkg\ndef test_b(): assert pkg.f(0) == 2\n")
    groups = (Group(label="a", paths=("tests/a",)), Group(label="b", paths=("tests/b",)))
    seen = project.runs(source_dirs=("src",), source_roots=("src",), groups=groups, branch_coverage=True)
    assert (seen.session_status, seen.problems) == (0, ())
    paths = ("src/pkg/__init__.py", "src/pkg/unused.py")
    both, only_a = project.lines(*paths), project.lines(*paths, contexts=["a"])
    assert both[paths[0]].executed == {1, 2, 3, 4}
    assert only_a[paths[0]].executed == {1, 2, 3}
    assert only_a[paths[0]].missing_branches == {(2, 4)}
    assert (both[paths[1]].executed, both[paths[1]].missing) == (frozenset(), {1, 2})


def test_a_file_that_does_not_parse_is_named(project: Any) -> None:
    project.has("mod.py", "x = 1\n").has("test_m.py", "import mod\ndef test_m(): assert mod.x\n")
    project.runs(source_dirs=(".",))
    project.has("broken.py", "def f(:\n")
    with pytest.raises(UndeterminedError, match=r"broken\.py cannot be analysed"):
        project.lines("mod.py", "broken.py")


def test_many_questions_of_one_run_are_answered_apart(project: Any) -> None:
    project.has("a.py", "def f():\n    return 1\n").has("b.py", "def f():\n    return 1\n")
    project.has("t/a/test_a.py", "import a, b\ndef test_a(): assert a.f() and b.f()\n")
    project.has("t/b/test_b.py", "import b\ndef test_b(): pass\n")
    groups = tuple(Group(label=name, paths=(f"t/{name}",)) for name in "ab")
    project.runs(source_dirs=(".",), source_roots=(".",), groups=groups)
    project.has("c.py", "def f(:\n")
    questions = {
        "a": Question(paths=("a.py", "b.py"), contexts=("a",)),
        "c": Question(paths=("b.py", "c.py"), contexts=("b",)),
        "b": Question(paths=("b.py",), contexts=("b",)),
        "both": Question(paths=("b.py",), contexts=("a", "b")),
        "all": Question(paths=("b.py",)),
        "none": Question(paths=()),
    }
    answers = analyse_each(project.request, questions, CoverageSettings())
    assert isinstance(answers["c"], UndeterminedError)
    assert "c.py cannot be analysed" in str(answers["c"])
    missing = {
        name: {file.path: set(file.missing) for file in files}
        for name, files in answers.items()
        if isinstance(files, tuple)
    }
    assert missing == {
        "a": {"a.py": set(), "b.py": set()},
        "b": {"b.py": {2}},
        "both": {"b.py": set()},
        "all": {"b.py": set()},
        "none": {},
    }


def test_settings_of_the_project_cannot_decide_for_moa(project: Any, outcomes: Any) -> None:
    project.has("mod.py", "def f():\n    return 1\n").has("test_m.py", "import mod\ndef test_m(): pass\n")
    project.has(
        "pytest.ini",
        "[pytest]\naddopts = -p pytest_cov --cov=. --cov-fail-under=100 -p no:terminal --strict-config\n",
    )
    project.has(
        ".coveragerc",
        "[run]\nrelative_files = true\ndynamic_context = test_function\ndata_file = mine\nsource = nothing\n",
    )
    seen = project.runs(source_dirs=(".",))
    assert (outcomes(seen), seen.session_status, seen.problems) == ({"test_m": "passed"}, 0, ())
    assert project.lines("mod.py")["mod.py"].missing == {2}
    assert not (project.work / "mine").exists()
    assert not list(project.work.rglob("*.pyc"))


def test_under_xdist_the_workers_trace_and_see_foreign_modules(project: Any, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    (elsewhere / "pkg.py").write_text("x = 1\n")
    project.has("mod.py", "def f():\n    return 1\n")
    project.has(
        "test_m.py",
        f"import sys\nsys.path.insert(0, {str(elsewhere)!r})\nimport mod, pkg, os\n"
        "def test_m():\n    assert mod.f()\n    assert 'PYTEST_PLUGINS' not in os.environ\n"
        "def test_n(): assert 'recorder' not in sys.modules\n",
    )
    seen = project.runs(
        "-p", "xdist", "-n2", source_dirs=(".",), own_modules=(("pkg", "pkg.py"), ("mod", "mod.py"))
    )
    assert seen.session_status == 0, seen.end.output
    assert seen.foreign == (ForeignModule(name="pkg", file=str(elsewhere / "pkg.py")),)
    assert project.lines("mod.py")["mod.py"].missing == frozenset()


def test_planted_bytecode_is_not_run_here_nor_in_what_the_tests_start(project: Any, outcomes: Any) -> None:
    project.has("mod.py", "answer = 'planted'\n")
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(project.work / "mod.py"), invalidation_mode=unchecked)
    project.has("mod.py", "answer = 'written'\n")
    project.has(
        "test_m.py",
        """
        import os, subprocess, sys
        import mod
        def test_here(): assert mod.answer == "written"
        def test_below(tmp_path):
            os.chdir(tmp_path)
            said = subprocess.run([sys.executable, "-c", "import mod; print(mod.answer)"], capture_output=True, text=True)
            assert said.stdout.strip() == "written"
        """,
    )
    assert outcomes(project.runs(source_roots=(".",))) == {"test_here": "passed", "test_below": "passed"}


def test_processes_that_the_project_lets_coverage_follow_are_traced(project: Any) -> None:
    project.has("mod.py", "def f():\n    return 1\ndef g():\n    return 2\n")
    project.has(".coveragerc", "[run]\nconcurrency = multiprocessing\nrelative_files = true\n")
    project.has(
        "test_m.py",
        """
        import multiprocessing
        import mod
        def test_m():
            for method, function in (("fork", mod.f), ("spawn", mod.g)):
                process = multiprocessing.get_context(method).Process(target=function)
                process.start()
                process.join()
                assert process.exitcode == 0
        """,
    )
    seen = project.runs(source_dirs=(".",), source_roots=(".",))
    assert seen.session_status == 0, seen.end.output
    assert project.lines("mod.py")["mod.py"].missing == frozenset()
    assert [path.name for path in project.work.glob(".coverage*")] == [".coveragerc"]


def test_a_project_that_is_itself_a_plugin_is_traced_from_its_first_line(project: Any) -> None:
    project.has("pytest.ini", "[pytest]\naddopts = -p mod\n")
    project.has("mod.py", "import pytest\n@pytest.fixture\ndef fix():\n    return 1\n")
    project.has("test_m.py", "def test_m(fix): assert fix\n").runs(source_dirs=(".",))
    assert project.lines("mod.py")["mod.py"].missing == frozenset()


def test_coverage_that_cannot_start_is_a_problem_and_leaves_no_lines(project: Any, outcomes: Any) -> None:
    project.has(".coveragerc", "[run]\nbranch = perhaps\n").has("mod.py", "x = 1\n")
    seen = project.has("test_m.py", "import mod\ndef test_m(): pass\n").runs(source_dirs=(".",))
    assert outcomes(seen) == {"test_m": "passed"}
    assert "coverage could not start: ConfigError" in seen.problems[0]
    assert analyse(project.request, ["mod.py"], CoverageSettings()) is None


def test_one_child_that_kills_its_supervisor_does_not_disturb_another(project: Any, tmp_path: Path) -> None:
    project.has("a/test_a.py", "import time\ndef test_a(): time.sleep(2)\n")
    project.has(
        "b/test_b.py", "import os, time\ndef test_b():\n    os.kill(os.getppid(), 9); time.sleep(60)\n"
    )
    requests = [project.asks(tests=(name,)) for name in ("a", "b")]
    with ThreadPoolExecutor() as threads:
        quiet, deadly = threads.map(run_child, requests)
    assert (quiet.session_status, quiet.problems) == (0, ())
    assert "without a report (signal 9)" in deadly.problems[0]


def test_a_hang_is_ended_at_the_time_limit_and_named(project: Any) -> None:
    project.has("test_h.py", "import time\ndef test_quick(): pass\ndef test_hangs():\n    time.sleep(600)\n")
    seen = project.runs(timeout=4.0)
    assert (seen.end.timed_out, seen.end.status, seen.running) == (True, None, "test_h.py::test_hangs")
    assert "in test_hangs" in seen.end.output
    assert seen.end.seconds < 15


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("os._exit(0)", "pytest did not return"),
        (
            "import atexit; atexit.register(os._exit, 0); assert 0",
            "pytest returned 1, but its process exited with 0",
        ),
        ("os.kill(os.getppid(), 9); import time; time.sleep(30)", "ended without a report"),
        ("import ctypes; ctypes.string_at(0)", "pytest did not return"),
    ],
)
def test_an_end_that_is_not_pytests_own_is_a_problem(project: Any, body: str, problem: str) -> None:
    seen = project.has("test_e.py", f"import os\ndef test_e():\n    {body}\n").runs()
    assert any(problem in sentence for sentence in seen.problems)


@pytest.mark.parametrize(
    ("text", "status"),
    [("import sys\nsys.exit(0)\n", 3), ("def test_x(:\n", 2), ("", 5), ("import nowhere\n", 2)],
)
def test_a_module_that_cannot_be_collected_never_looks_like_success(
    project: Any, text: str, status: int
) -> None:
    seen = project.has("test_e.py", text).runs()
    assert (seen.session_status, seen.end.status) == (status, status)
    assert len(seen.collection_errors) == (status == 2)


DAEMON = """
    import os, pathlib, signal, time
    def test_leaves_a_daemon():
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                pathlib.Path(os.environ["PLACE"]).write_text(str(os.getpid()))
                time.sleep(600)
            os._exit(0)
        while not os.path.exists(os.environ["PLACE"]) or not open(os.environ["PLACE"]).read():
            time.sleep(0.01)
        {then}
"""


@pytest.mark.parametrize(
    "then", ["pass", "os.kill(os.getppid(), 9); time.sleep(30)"], ids=["ends", "kills-its-parent"]
)
def test_a_daemon_does_not_outlive_the_run(project: Any, tmp_path: Path, then: str) -> None:
    place = tmp_path / "daemon.pid"
    request = project.has("test_d.py", textwrap.dedent(DAEMON).replace("{then}", then)).asks()
    environ = {**request.environ, "PLACE": str(place)}
    seen = project.runs(environ=environ, keep=("PLACE", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"))
    assert dies(int(place.read_text()))
    if then == "pass":
        assert len(seen.end.survivors) == 1
        assert place.read_text() in seen.end.survivors[0]


def test_when_moa_is_killed_everything_dies_with_it(project: Any, tmp_path: Path) -> None:
    place = tmp_path / "pids"
    project.has("test_d.py", textwrap.dedent(DAEMON).replace("{then}", "time.sleep(600)"))
    code = f"""
        import os
        from pathlib import Path
        from pytest_moa.testing.request import ChildRequest
        from pytest_moa.testing.run import run_child
        run_child(ChildRequest(python=Path({sys.executable!r}), work=Path({str(project.work)!r}),
            project=Path({str(project.work)!r}), run_dir=Path({str(tmp_path / "run")!r}), timeout=100,
            environ=os.environ, keep=("PLACE", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")))
    """
    environ = {**os.environ, "PLACE": str(place), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=environ) as moa:
        until(lambda: place.exists() and place.read_text() != "")
        moa.send_signal(signal.SIGKILL)
    daemon = int(place.read_text())
    until(lambda: not is_alive(daemon))
    until(lambda: not mentions(str(tmp_path / "run")))


def until(holds: Any) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_much_output_is_kept_as_head_and_tail(project: Any) -> None:
    project.has(
        "test_p.py", "def test_p():\n    for _ in range(100): print('x' * 100_000)\n    print('the end')\n"
    )
    seen = project.runs("-s")
    assert len(seen.end.output) < HEAD + TAIL + 100
    assert seen.end.output_cut > 9_000_000
    assert seen.end.output.startswith("=====")
    assert "the end" in seen.end.output


@pytest.mark.parametrize(
    "sizes", [[10], [HEAD], [HEAD + 1], [HEAD, TAIL], [1] * 1000, [HEAD, TAIL, 1], [70_000] * 50]
)
def test_output_loses_only_its_middle(sizes: list[int]) -> None:
    output, whole = Output(), b""
    for number, size in enumerate(sizes):
        chunk = bytes([97 + number % 26]) * size
        whole += chunk
        output.add(chunk)
    text, cut = output.finish()
    kept = text.replace(f"\n[… {cut} bytes left out …]\n", "").encode()
    assert kept == whole[:HEAD] + whole[HEAD:][-TAIL:]
    assert cut == max(0, len(whole) - HEAD - TAIL)


def test_progress_names_the_test_that_runs(project: Any) -> None:
    told: list[str] = []
    project.has("test_p.py", "import time\ndef test_a(): pass\ndef test_b(): time.sleep(1)\n")
    run_child(project.asks(), progress=told.append)
    assert "1/2 test_p.py::test_b" in told


def test_an_interrupted_moa_leaves_nothing_running(project: Any) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    request = project.has("test_p.py", "import time\ndef test_b(): time.sleep(600)\n").asks()
    with pytest.raises(KeyboardInterrupt):
        run_child(request, progress=interrupt)
    assert not mentions(str(request.run_dir))


def test_an_interpreter_that_does_not_exist_is_told(project: Any) -> None:
    with pytest.raises(UndeterminedError, match="could not be started"):
        project.has("test_p.py", "").runs(python=Path("/nowhere/python"))
