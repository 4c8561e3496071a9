"""What probes tell and cost: `python benchmarks/probes.py PROJECT --source DIR --tests PATH`; see README.md.

The suite is run as it is and once more with every assertion taken out; the faults of one thorough run are then drawn
again by many seeds, as a gate would draw them.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_moa.rules.probes.course import Answer, Probing, Question
from pytest_moa.rules.probes.plan import Ground, Plan, Wish, plan_of
from pytest_moa.rules.probes.record import ProbeRecord
from pytest_moa.testing.probing import Prober, ProbeRequest, Spent, contexts_in, seconds_of
from pytest_moa.testing.raw_data import clean_data
from pytest_moa.testing.request import ChildRequest
from pytest_moa.testing.run import run_child

_WHOSE = "all"
SUPPRESS = "__import__('contextlib').suppress(BaseException)"
RAISES = frozenset(
    {"raises", "warns", "assertRaises", "assertRaisesRegex", "assertWarns", "assertWarnsRegex"}
)


class Hollow(ast.NodeTransformer):
    """Takes the assertions out of a test module and leaves what they evaluate."""

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        return ast.Expr(node.test)

    def visit_With(self, node: ast.With) -> ast.stmt:
        for item in node.items:
            call = item.context_expr
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in RAISES
            ):
                item.context_expr = ast.parse(SUPPRESS, mode="eval").body
        self.generic_visit(node)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        match node.value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name), args=args) if (
                name.startswith("assert")
            ):
                if name not in RAISES:
                    return ast.Expr(ast.Tuple(args, ast.Load()))
                guard = ast.withitem(ast.parse(SUPPRESS, mode="eval").body)
                return ast.With([guard], [ast.Expr(ast.Call(args[1], args[2:], node.value.keywords))])
        return node


def main() -> None:
    options = _options()
    with _copy(options.project.resolve(), None) as asserting, _copy(options.project, options.tests) as hollow:
        for what, place in (("asserting", asserting), ("hollow", hollow)):
            print(json.dumps({"suite": what} | measure(place, options)))


def measure(project: Path, options: argparse.Namespace) -> dict[str, object]:
    """Shares of noticed faults in a thorough run, the verdicts of many seeds, and what a question costs."""
    texts = {
        str(path.relative_to(project)): path.read_text().replace("\r\n", "\n")
        for source in options.source
        for path in sorted((project / source).rglob("*.py"))
    }
    ground = Ground(texts=texts, lines=dict.fromkeys(texts))
    wish = Wish(count=options.faults, seconds=options.seconds, thorough=True)
    prober = Prober({_WHOSE: ProbeRequest(ground=ground, wish=wish)})
    with tempfile.TemporaryDirectory() as folder:
        request = ChildRequest(
            python=Path(options.python),
            work=project,
            project=project,
            run_dir=Path(folder) / "run",
            tests=tuple(options.tests),
            source_dirs=tuple(options.source),
            source_roots=tuple(dict.fromkeys([*options.root, "."])),
            extra_args=("-p", "no:moa", *_red(project, options)),
            environ={name: os.environ[name] for name in ("PATH", "HOME")},
            timeout=600,
        )
        evidence = run_child(request, prober=prober)
        record = prober.records.get(_WHOSE)
        if record is None:
            return {"problem": evidence.end.output[-500:]}
        clean = Path(folder) / "clean"
        clean_data(request.run_dir, clean, work=str(project), to=str(project))
        contexts, seconds = contexts_in(clean, str(project), texts, None), seconds_of(evidence)
    known = _followed(plan_of(ground, contexts, seconds, wish, record.seed), record)
    short = Wish(count=20, seconds=30)
    verdicts = Counter(
        _drawn(plan_of(ground, contexts, seconds, short, f"{seed:x}"), known)
        for seed in range(1, options.seeds + 1)
    )
    return {
        "tests": len(evidence.outcomes),
        "tried": len(known.results),
        "noticed": sum(p.meaning == "noticed" for p in known.results.values()),
        "by_an_assertion": sum(p.looked for p in known.results.values()),
        "unnoticed": sum(p.meaning == "unnoticed" for p in known.results.values()),
        "verdicts": {str(name): count for name, count in verdicts.items()},
        **_cost(prober.spent),
    }


def _followed(plan: Plan, record: ProbeRecord) -> Probing:
    probing = Probing(plan)
    course = probing.course()
    question = next(course, None)
    for entry in record.entries:
        if question is None:
            break
        question = next(_sent(course.send, entry.answer), None)
    return probing


def _sent(send: object, answer: Answer) -> Iterator[Question]:
    try:
        yield send(answer)  # type: ignore[operator]  # a generator's send
    except StopIteration:
        return


def _drawn(plan: Plan, known: Probing) -> str | None:
    """The verdict of a seed, by what is known of the faults; those that were not tried are passed over."""
    probing = Probing(plan)
    order = tuple(fault for fault in plan.order if fault.id in known.results)
    probing.plan = Plan(seed=plan.seed, wish=plan.wish, sources=plan.sources, order=order, tests=plan.tests)
    probing.results = _Lazy()
    course = probing.course()
    for fault in order:
        probing.results[fault.id] = known.results[fault.id]
    next(course, None)
    return probing.decision


class _Lazy(dict):  # type: ignore[type-arg]  # as `Probing.results`
    """The results beforehand: nothing is asked, and the cap does not count what was not drawn."""

    def values(self) -> list:  # type: ignore[type-arg,override]  # the same
        return []


def _cost(spent: list[Spent]) -> dict[str, float]:
    told = [one for one in spent if one.tests_cpu]  # a fork that was late was killed and told nothing
    return {
        "questions": len(spent),
        "cpu_ms_beyond_the_tests": round(statistics.median(1000 * (s.cpu - s.tests_cpu) for s in told), 1),
        "cpu_ms": round(statistics.fmean(1000 * s.cpu for s in spent), 1),
        "wall_ms": round(statistics.fmean(1000 * s.seconds for s in spent), 1),
    }


def _red(project: Path, options: argparse.Namespace) -> list[str]:
    """Options that leave out what fails without assertions, since probes follow a green run only."""
    path = os.pathsep.join([*options.root, "."])
    command = [options.python, "-m", "pytest", "-q", "-p", "no:moa", "-p", "no:cacheprovider", *options.tests]
    done = subprocess.run(
        command,
        cwd=project,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    red = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return [word for name in red for word in ("--deselect", name)]


@contextmanager
def _copy(project: Path, hollow: list[str] | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve() / "work"
        shutil.copytree(project, place)
        for tests in hollow or ():
            root = place / tests
            for path in [root] if root.is_file() else sorted(root.rglob("*.py")):
                tree = Hollow().visit(ast.parse(path.read_text()))
                path.write_text(ast.unparse(ast.fix_missing_locations(tree)))
        yield place


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="an unpacked source distribution")
    parser.add_argument("--source", action="append", required=True, help="a folder of its code (repeatable)")
    parser.add_argument("--root", action="append", default=[], help="a folder that modules are imported from")
    parser.add_argument("--tests", action="append", required=True, help="its tests (repeatable)")
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--python", default=sys.executable, help="an interpreter with pytest and coverage")
    return parser.parse_args()


if __name__ == "__main__":
    main()
