"""Data to a policy: what is understood, and what is said about the rest."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from pytest_moa.config import load_from_reader
from pytest_moa.errors import ConfigError
from pytest_moa.model.policy import Policy, RegistryEntry


def policy(text: str, file: str = "moa.yaml") -> Policy:
    return load_from_reader({file: text.encode()}.get, origin="x", environ={}).policy


def problems(text: str, file: str = "moa.yaml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        policy(text, file)
    return list(caught.value.problems)


def read(text: str, path: str) -> Any:
    found: Any = policy(text)
    for name in path.split("."):
        found = found[int(name)] if name.isdigit() else getattr(found, name)
    return found


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("registry: [{id: 03}]", "registry.0.id", "03"),
        ("registry: [{id: 1e3}]", "registry.0.id", "1e3"),
        ("registry: [{id: yes}]", "registry.0.id", "yes"),
        ("registry: [{id: 03, tests: tests/a}]", "registry.0.tests", ("tests/a",)),
        ("registry: [{id: 03, tests: ['5']}]", "registry.0.tests", ("5",)),
        ("registry: [{id: 03}, {id: 04, depends_on: 03}]", "registry.1.depends_on", ("03",)),
        ("registry: [{id: 03}, {id: 04, depends_on: [03]}]", "registry.1.depends_on", ("03",)),
        ("registry: [{id: a, priority: -3}]", "registry.0.priority", -3),
        ("environment: {python: 3.10}", "environment.python", "3.10"),
        (
            "environment: {setup: [[uv, venv, --python, 3.10]]}",
            "environment.setup",
            (("uv", "venv", "--python", "3.10"),),
        ),
        ("environment: {setup: [[sh, -c, '']]}", "environment.setup", (("sh", "-c", ""),)),
        ("git: {develop_branch: 2.0}", "git.develop_branch", "2.0"),
        ("agents: {branches: 'copilot/{id}'}", "agents.branches", ("copilot/{id}",)),
        ("agents: {timeout: 0300}", "agents.timeout", 300),
        ("agents: {timeout: 3e2}", "agents.timeout", 300),
        ("agents: {test_threshold: 100}", "agents.test_threshold", Decimal(100)),
        ("agents: {test_threshold: 99.999999999999}", "agents.test_threshold", Decimal("99.999999999999")),
        ("moa: {auto_resolve: False}", "moa.auto_resolve", False),
        ("project: {start: 2026-01-05}", "project.start", date(2026, 1, 5)),
        ("project: {start: '2026-01-05'}", "project.start", date(2026, 1, 5)),
        ("project: {working_directory: apps/back end}", "project.working_directory", "apps/back end"),
        ("integration: {require: 'checks:build (3.11)'}", "integration.require", ("checks:build (3.11)",)),
        ("integrity: {severity: {tests-removed: off}}", "integrity.severity", {"tests-removed": "off"}),
        ("integrity: {probes: {count: 0}}", "integrity.probes.count", 0),
        ("x: &x 5\nagents: {timeout: *x}", "", None),
        ("project: {name: null}", "project.name", None),
        ("agents: {branches: }", "agents.branches", ()),
    ],
)
def test_what_is_understood(text: str, path: str, value: Any) -> None:
    if path:
        found = read(text, path)
        assert (found, type(found)) == (value, type(value))
    else:
        assert problems(text) == [f"x: unknown key (allowed at the top: {TOP})"]


TOP = "moa, git, agents, monitoring, project, registry, environment, integration, integrity, alerts, health, report"


@pytest.mark.parametrize(("written", "number"), [("-0", "0"), ("1e1", "10"), ("9.50", "9.50"), ("+7", "7")])
def test_a_percentage_is_kept_in_plain_digits(written: str, number: str) -> None:
    assert str(read(f"agents: {{test_threshold: {written}}}", "agents.test_threshold")) == number


def test_the_registry_may_be_a_mapping_from_ids() -> None:
    listed = policy("registry: [{id: 03, name: Core}, {id: '04', depends_on: [03]}]")
    mapped = policy("registry: {03: {name: Core}, '04': {depends_on: 03}}")
    assert mapped == listed
    assert policy("registry: {03: }").registry == (RegistryEntry(id="03"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("5", "the file holds 5 where keys with values belong (write `moa:` and so on)"),
        ("[moa]", "the file holds a list where keys with values belong (write `moa:` and so on)"),
        ("moa: 5", "moa: 5 is not a mapping of keys to values"),
        ("test-threshold: 5", "test-threshold: unknown key (did you mean `agents.test_threshold`?)"),
        ("aGents: {}", "aGents: unknown key (did you mean `agents`?)"),
        (
            "integrity: {probes: {number: 1}}",
            "integrity.probes.number: unknown key (allowed here: count, seconds)",
        ),
        ('"a.b c": 1', f'"a.b c": unknown key (allowed at the top: {TOP})'),
        ("agents: {timeout: 0}", "agents.timeout: 0 is not a whole number of at least 1"),
        ("agents: {timeout: 1.5}", "agents.timeout: 1.5 is not a whole number of at least 1"),
        ("agents: {timeout: true}", "agents.timeout: true is not a whole number of at least 1"),
        ("agents: {timeout: .inf}", "agents.timeout: .inf is not a whole number of at least 1"),
        (
            "agents: {timeout: '300'}",
            'agents.timeout: "300" is not a whole number of at least 1 (write `300`)',
        ),
        ("agents: {timeout: }", "agents.timeout: nothing is not a whole number of at least 1"),
        ("agents: {timeout: 1e999999999}", "agents.timeout: 1e999999999 is not a whole number of at least 1"),
        ("agents: {timeout: ٣}", "agents.timeout: ٣ is not a whole number of at least 1"),
        ("agents: {timeout: 2147483648}", "agents.timeout: 2147483648 is not a whole number of at least 1"),
        (
            "agents: {max_parallel_integrations: 65}",
            "agents.max_parallel_integrations: 65 is not a whole number from 1 to 64",
        ),
        (
            "agents: {test_threshold: 90%}",
            "agents.test_threshold: 90% is not a number from 0 to 100 (write `90`)",
        ),
        ("agents: {test_threshold: 100.001}", "agents.test_threshold: 100.001 is not a number from 0 to 100"),
        ("agents: {test_threshold: nan}", "agents.test_threshold: nan is not a number from 0 to 100"),
        (
            "agents: {test_threshold: 89.9999999999999}",
            "agents.test_threshold: 89.9999999999999 has more than 12 decimal places",
        ),
        ("moa: {auto_resolve: yes}", "moa.auto_resolve: yes is not true or false"),
        ("moa: {auto_resolve: 1}", "moa.auto_resolve: 1 is not true or false"),
        (
            "git: {remote: [a]}",
            "git.remote: a list is not a name without blanks that does not begin with `-`",
        ),
        ("git: {remote: -f}", "git.remote: -f is not a name without blanks that does not begin with `-`"),
        ("monitoring: {alert_email: me}", "monitoring.alert_email: me is not an e-mail address"),
        ("project: {start: 2026-02-30}", "project.start: 2026-02-30 is not a day written as YYYY-MM-DD"),
        ("project: {start: 20260205}", "project.start: 20260205 is not a day written as YYYY-MM-DD"),
        ("project: {name: ' '}", 'project.name: " " is not a text that is not blank'),
        (
            "registry: [{}]",
            "registry[0].id: is missing (write letters, digits, `.`, `_` and `-`, beginning with a letter or digit)",
        ),
        ("registry: [5]", "registry[0]: 5 is not a mapping of keys to values"),
        ("registry: 5", "registry: 5 is not a list of mappings"),
        ("registry: {03: {id: 04}}", "registry.03.id: the key above it says the same already (leave it out)"),
        (
            "registry: [{id: 03, tests: 5}]",
            "registry[0].tests: 5 is not a list of texts (write `tests: [tests/core]`)",
        ),
        (
            "registry: [{id: 03, tests: true}]",
            "registry[0].tests: true is not a list of texts (write `tests: [tests/core]`)",
        ),
        (
            "registry: [{id: 03, tests: {a: b}}]",
            "registry[0].tests: a mapping is not a list of texts (write `tests: [tests/core]`)",
        ),
        (
            "registry: [{id: 03, tests: [5]}]",
            'registry[0].tests[0]: 5 is not a text (put it in quotes: `"5"`)',
        ),
        (
            "registry: [{id: 03, tests: ['']}]",
            'registry[0].tests[0]: "" is not a relative path that does not begin with `-`',
        ),
        (
            "registry: [{id: 03, tests: [-x]}]",
            "registry[0].tests[0]: -x is not a relative path that does not begin with `-`",
        ),
        (
            "registry: [{id: 03, source: /src}]",
            "registry[0].source[0]: /src is not a relative path that does not begin with `-`",
        ),
        (
            "registry: [{id: 03, source: ../src}]",
            'registry[0].source[0]: "../src" leaves the repository (name a path inside it)',
        ),
        (
            "registry: [{id: 03}, {id: '03'}]",
            'registry[1].id: "03" is the id of registry[0] already (give each agent its own)',
        ),
        (
            "registry: [{id: 03, depends_on: 04}]",
            'registry[0].depends_on[0]: "04" is no id of the registry (add it there; known: 03)',
        ),
        (
            "registry: [{id: 03, depends_on: 03}]",
            'registry[0].depends_on[0]: "03" is the agent itself (leave it out)',
        ),
        (
            "registry: [{id: 03, start_week: 3, due_week: 2}]",
            "registry[0].due_week: 2 is before its start_week 3",
        ),
        (
            "environment: {setup: uv sync}",
            "environment.setup: uv sync is not a list of commands, each a list of its arguments (write `setup: [[uv, sync]]`)",
        ),
        (
            "environment: {setup: [uv, sync]}",
            "environment.setup: a list is not a list of commands, each a list of its arguments (write `setup: [[uv, sync]]`)",
        ),
        (
            "environment: {setup: [[uv], make x]}",
            "environment.setup[1]: make x is not a command as a list of its arguments (write `[make, x]`)",
        ),
        (
            "environment: {setup: [[]]}",
            "environment.setup[0]: a list is not a command as a list of its arguments",
        ),
        ("environment: {setup: [['']]}", 'environment.setup[0][0]: "" is not a text that is not blank'),
        ("environment: {setup: [[uv, [x]]]}", "environment.setup[0][1]: a list is not a text"),
        (
            "environment: {cache_on: ../../uv.lock}",
            'environment.cache_on[0]: "../../uv.lock" leaves the repository (name a path inside it)',
        ),
        ("integration: {executor: chidl}", "integration.executor: chidl is not one of `child`, `checks`"),
        (
            "integration: {require: [checks]}",
            "integration.require[0]: checks is not `requested`, `approved`, `not-draft` or `checks:NAME`",
        ),
        (
            "integrity: {severity: {odd-source: blok}}",
            "integrity.severity.odd-source: blok is not one of `block`, `warn`, `note`, `off`",
        ),
        (
            "integrity: {severity: {X: off}}",
            "integrity.severity.X: unknown key (write the name of a rule that `moa explain` lists)",
        ),
        (
            "integrity: {severity: off}",
            "integrity.severity: off is not a mapping from the name of a rule that `moa explain` lists to one of `block`, `warn`, `note`, `off`",
        ),
        (
            "integrity: {allow: [{rule: odd-source, content: 1234567}]}",
            'integrity.allow[0].content: 1234567 is not a text (put it in quotes: `"1234567"`)',
        ),
        (
            "alerts: {routes: [{kind: fax, to: x}]}",
            "alerts.routes[0].kind: fax is not one of `email`, `webhook`",
        ),
        (
            "health: {services: [{name: x, url: 'ftp://x'}]}",
            'health.services[0].url: "ftp://x" is not an http or https address',
        ),
    ],
)  # fmt: skip - one case a line
def test_what_is_refused_and_how(text: str, problem: str) -> None:
    assert problems(text) == [problem]


@pytest.mark.parametrize("folder", ["/srv", "..", "a/..", "../x", "a/../b", "~/x", "C:/x", "a\\b", "-x", ""])
def test_a_working_directory_lies_inside_the_repository(folder: str) -> None:
    (problem,) = problems(f"project: {{working_directory: '{folder}'}}")
    assert problem.startswith("project.working_directory: ")


def test_a_path_may_leave_the_working_directory_but_not_the_repository() -> None:
    text = (
        "project: {working_directory: a/b}\nintegration: {suite: [../../shared/tests/test_x.py::test_y, %s]}"
    )
    assert policy(text % "tests").integration.suite[0] == "../../shared/tests/test_x.py::test_y"
    assert len(problems(text % "../../../x")) == 1


@pytest.mark.parametrize("pattern", ["copilot/x", "{id}{id}", "{name}", "", "a {id}", "{id", "{{id}}"])
def test_a_branch_pattern_has_exactly_one_id(pattern: str) -> None:
    (problem,) = problems(f"agents: {{branches: ['{pattern}']}}")
    assert problem.startswith("agents.branches[0]: ")
    assert "exactly one `{id}`" in problem


@pytest.mark.parametrize(
    ("edges", "cycles"),
    [
        ({"a": "b", "b": "a"}, ["a -> b -> a"]),
        ({"a": "b", "b": "c", "c": "a"}, ["a -> b -> c -> a"]),
        ({"a": "b", "b": "c", "c": "b"}, ["b -> c -> b"]),
        ({"a": "b", "b": "a", "c": "d", "d": "c", "e": "ac"}, ["a -> b -> a", "c -> d -> c"]),
        ({"a": "bc", "b": "ad", "c": "", "d": "e", "e": "d"}, ["a -> b -> a", "d -> e -> d"]),
        ({"a": "bc", "b": "d", "c": "d", "d": ""}, []),
    ],
)
def test_each_knot_of_dependencies_is_named_once(edges: dict[str, str], cycles: list[str]) -> None:
    entries = ", ".join(f"{{id: {one}, depends_on: [{', '.join(others)}]}}" for one, others in edges.items())
    text = f"registry: [{entries}]"
    if not cycles:
        assert len(policy(text).registry) == len(edges)
        return
    assert [problem.split(": ")[1].split(" is ")[0] for problem in problems(text)] == cycles


def test_a_long_chain_of_dependencies_is_no_cycle() -> None:
    chain = "\n".join(f"  a{n}: {{depends_on: a{n + 1}}}" for n in range(2000))
    assert len(policy(f"registry:\n{chain}\n  a2000:").registry) == 2001


def test_a_long_and_ugly_value_is_shown_short_and_clean() -> None:
    (problem,) = problems('git: {remote: "' + "x" * 100 + ' \\x85\\e[31m"}')
    assert problem.startswith("line 1: ")
    (problem,) = problems('git: {remote: "\\x85 ' + "x" * 100_000 + '"}')
    assert problem.isprintable()
    assert len(problem) < 200


TOML_TYPES = """
[tool.moa.agents]
timeout = 300.0
test_threshold = 90
[tool.moa.project]
start = 2026-01-05
[[tool.moa.registry]]
id = "03"
tests = "tests/a"
"""


def test_toml_is_read_by_its_types() -> None:
    found = policy(TOML_TYPES, "pyproject.toml")
    assert (found.agents.timeout, found.project.start) == (300, date(2026, 1, 5))
    assert found.registry == (RegistryEntry(id="03", tests=("tests/a",)),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("registry = [{id = 3}]", 'registry[0].id: 3 is not a text (put it in quotes: `"3"`)'),
        ("agents.timeout = true", "agents.timeout: true is not a whole number of at least 1"),
        ("agents.timeout = '3'", 'agents.timeout: "3" is not a whole number of at least 1 (write `3`)'),
        ("agents.test_threshold = nan", "agents.test_threshold: NaN is not a number from 0 to 100"),
        ("agents.test_threshold = inf", "agents.test_threshold: Infinity is not a number from 0 to 100"),
        (
            "agents.test_threshold = 1e99999999999999999999",
            "agents.test_threshold: 1e99999999999999999999 is not a number from 0 to 100",
        ),
        (
            f"agents.timeout = 0x{'f' * 9000}",
            "agents.timeout: a very long number is not a whole number of at least 1",
        ),
        ("moa.auto_resolve = 'true'", 'moa.auto_resolve: "true" is not true or false'),
        (
            "project.start = 2026-01-05T00:00:00",
            "project.start: 2026-01-05T00:00:00 is not a day written as YYYY-MM-DD",
        ),
        ("project.name = 07:32:00", 'project.name: 07:32:00 is not a text (put it in quotes: `"07:32:00"`)'),
        ('project.name = "a\\u0000"', "'a\\x00' has a control character"),
    ],
)  # fmt: skip - one case a line
def test_what_toml_refuses(text: str, problem: str) -> None:
    table = "[tool.moa]\n" + text
    assert problems(table, "pyproject.toml") == [problem]
