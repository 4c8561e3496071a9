"""Runs pytest in the tests' own interpreter: tools first, then the candidate's folders on the path, then pytest.

Started as `python bootstrap.py ORDER.json`; with the further word `serve` (and arguments of pytest) the tests are
collected and kept for probes, and no test runs by itself. Works on Python 3.8 with nothing but pytest and coverage.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from typing import Any

RECORDER, CHECKOUTS, PROBES = "_moa_recorder", "_moa_checkouts", "_moa_probe_server"
REDIRECTS = "_moa_redirects"
COPIES = (
    ("recorder", RECORDER),
    ("checkouts", CHECKOUTS),
    ("redirects", REDIRECTS),
    ("probe_server", PROBES),
)


def main() -> int:
    order = read_order(sys.argv[1])
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if entry and os.path.abspath(entry) != here]
    # The recorder gets a folder and a name of its own, so that a module `recorder` of the project stays the project's.
    library = os.path.join(order["run_dir"], "lib")
    os.makedirs(library, exist_ok=True)
    for name, copy in COPIES:
        shutil.copyfile(os.path.join(here, name + ".py"), os.path.join(library, copy + ".py"))
    sys.path.insert(0, library)
    # Bytecode: ours to read where the tools lie, never written by this process; descendants keep theirs in the run.
    sys.dont_write_bytecode = True
    os.environ["PYTHONPYCACHEPREFIX"] = order["pycache"]
    recorder = importlib.import_module(RECORDER)
    pytest = importlib.import_module("pytest")
    if order["source"]:
        importlib.import_module("coverage")
    prepare_path(order)
    return run(order, recorder, pytest)


def read_order(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        order = json.load(file)
    order["path"], order["bootstrap"] = path, os.path.abspath(__file__)
    if sys.argv[2:3] == ["serve"]:
        # Where xdist spread the tests or a server died, this one collects them anew and traces and records nothing.
        arguments = [*order["arguments"], *sys.argv[3:]]
        order.update(serve=True, source=[], groups=[], record=os.devnull, arguments=arguments)
    return order  # type: ignore[no-any-return]  # JSON has no types; the writer is run.py


def prepare_path(order: dict[str, Any]) -> None:
    """The project first, as `python -m pytest` has it, then its source roots; descendants see the roots as well."""
    roots = order["source_roots"]
    importlib.import_module(CHECKOUTS).turn_to_candidate(order)
    importlib.import_module(REDIRECTS).install(order)
    # Behind our own folder, which the recorder takes off again once xdist has frozen its copy of the path.
    sys.path[1:1] = [order["project"]] + [root for root in roots if root != order["project"]]
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(roots + ([inherited] if inherited else []))
    if not os.environ["PYTHONPATH"]:
        del os.environ["PYTHONPATH"]


def run(order: dict[str, Any], recorder: Any, pytest: Any) -> int:
    record = recorder.Record(order["record"])
    record.begin()
    recorder.dump_stacks_on_signal(order["run_dir"])
    tracing = recorder.Tracing(order, "main")
    recorder.read_sources_only(order["work"], tracing.start)
    plugins = [recorder.Recorder(order, record, tracing)]
    probing = importlib.import_module(PROBES).Probing(order) if order["probes"] else None
    plugins += [probing] if probing else []
    arguments = [str(argument) for argument in order["arguments"]]
    sys.argv = ["pytest", *arguments]
    status = 3  # pytest's own word for an internal error
    try:
        status = int(pytest.main(arguments, plugins=plugins))
    finally:
        if record.mine():  # a process that a test forked may fall through to here
            problems: list[str] = tracing.stop()
            record.end(status, problems)
            if probing:
                probing.finish(green=status == 0)
    return status


if __name__ == "__main__":
    sys.exit(main())
