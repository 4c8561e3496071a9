"""The first moment: what was asked becomes a plan, pytest's arguments are completed, the hooks are registered."""

from __future__ import annotations

import argparse
import copy
import os
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pytest_moa.desk import orders as letters
from pytest_moa.desk.bench import bench_for
from pytest_moa.desk.measure import coverage_settings
from pytest_moa.desk.misled import start_again_if_misled
from pytest_moa.desk.orders import Orders
from pytest_moa.desk.own import Changes, changes_here, own_of
from pytest_moa.desk.place import Place, find_place, in_words, known_agents, threshold_word, who
from pytest_moa.desk.plan import AgentPlan, Plan, environment_for, orders_for, with_command_line
from pytest_moa.desk.report import prepare
from pytest_moa.desk.review import review_here
from pytest_moa.desk.session import Desk
from pytest_moa.desk.typed import distributes, typed
from pytest_moa.errors import AgentError, MoaError, UsageError
from pytest_moa.rules.own_code import SourceRules
from pytest_moa.rules.selection import missing_tests, tests_of
from pytest_moa.rules.threshold import raised


def begin(config: pytest.Config, parser: pytest.Parser, args: list[str], agent: str | None) -> None:
    """Called before the first conftest. `agent` is an id or `auto`; None is everybody. Errors are usage errors."""
    given = letters.take()
    if given is not None:
        _insert(config, parser, args, given)
        config.pluginmanager.register(bench_for(given), "moa-bench")
        return
    if agent is None and not config.known_args_namespace.moa_all:
        return
    try:
        start_again_if_misled(config)
        plan = _plan(config, parser, agent)
    except MoaError as error:
        raise pytest.UsageError(in_words(error)) from error
    options = config.known_args_namespace
    plan = with_command_line(plan, options)
    orders = orders_for(plan, options)
    _insert(config, parser, args, orders)
    bench = bench_for(orders)
    desk = Desk(plan, orders, bench, environment=environment_for(orders, os.environ))
    if not plan.typed.selections and not options.collectonly:
        named = options.moa_config
        order = {
            "rootdir": str(config.rootpath),
            "config": str((plan.here / named).resolve()) if named else None,
        }
        desk.review = review_here(plan.place, plan.changes, plan.alone, order)
    if distributes(options):
        desk.letter = letters.leave(orders)
    config.pluginmanager.register(bench, "moa-bench")
    config.pluginmanager.register(desk, "moa-desk")


def _insert(config: pytest.Config, parser: pytest.Parser, args: list[str], orders: Orders) -> None:
    """Put our arguments first, where no option of the user's can take one for its value, and parse again."""
    if not orders.insert:
        return
    args[:0] = orders.insert
    before = config.known_args_namespace
    after = parser.parse_known_args(args, namespace=copy.copy(config.option))
    after.confcutdir = before.confcutdir
    config.known_args_namespace = after


def _plan(config: pytest.Config, parser: pytest.Parser, agent: str | None) -> Plan:
    options: argparse.Namespace = config.known_args_namespace
    if agent is not None and options.moa_all:
        raise UsageError("--moa and --moa-agent are two different runs", remedy="Leave one of them out.")
    here = config.invocation_params.dir
    place = find_place(config.rootpath, file=options.moa_config, here=here, environ=os.environ)
    word = threshold_word(options.moa_threshold)
    alone = who(agent, place, os.environ) if agent is not None else None
    ids = (alone,) if alone is not None else known_agents(place)
    if not ids:
        raise AgentError("no agents are known here", remedy="Enter them in the config's `registry`.")
    changes = changes_here(place)
    settings = coverage_settings(getattr(options, "cov_config", None))
    rules = _source_rules(config, place, settings)
    asked = place.policy.agents.test_threshold
    return Plan(
        place=place,
        rootdir=config.rootpath.resolve(),
        here=here.resolve(),
        agents=tuple(_agent(one, place, changes, rules, alone=alone is not None) for one in ids),
        changes=changes,
        threshold=raised(asked, word),
        typed=typed(config, parser),
        includes=bool(settings["run:include"]) and not settings["run:source"],
        alone=alone,
        report=prepare(options.moa_report, here),
        notes=(
            *place.loaded.warnings,
            *(
                [f"--moa-threshold {word} is ignored: the policy asks for {asked}"]
                if word is not None and word < asked
                else []
            ),
        ),
    )


def _agent(agent: str, place: Place, changes: Changes, rules: SourceRules, *, alone: bool) -> AgentPlan:
    tests = tests_of(place.policy, agent, place.exists)
    lost = missing_tests(tests, place.exists)
    if lost and alone:
        raise AgentError(
            f"the tests of agent {agent} are not there",
            reason=", ".join(str(place.working / test) for test in lost),
            remedy="Correct `registry: tests` (relative to the working directory), or check the agent's branch out.",
        )
    own = own_of(agent, place, changes, rules, alone=alone)
    return AgentPlan(
        id=agent,
        name=place.policy.entry(agent).name or agent,
        tests=tuple(place.working / test for test in tests if test not in lost),
        own=replace(own, absent=True) if lost and own.doubts else own,
    )


def _source_rules(
    config: pytest.Config, place: Place, settings: Mapping[str, tuple[str, ...]]
) -> SourceRules:
    return SourceRules(
        working_directory=place.working_directory,
        python_files=tuple(config.getini("python_files")),
        testpaths=tuple(config.getini("testpaths")),
        tests=tuple(test for entry in place.policy.registry for test in entry.tests),
        source=settings["run:source"],
        # coverage ignores the run section's `include` where a source is named
        include=settings["report:include"] or (() if settings["run:source"] else settings["run:include"]),
        omit=(*settings["run:omit"], *settings["report:omit"]),
    )
