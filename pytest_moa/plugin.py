"""pytest's entry point: options, and the question whether moa was asked for. Everything else waits in `desk`."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

_CONFIG_FILES = ("config/moa_config.yaml", "moa.yaml")
_WORKER = "MOA_DESK_ORDERS"  # the same word as desk.orders.VARIABLE, which must not be imported here


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("moa", "gates for the work of agents")
    group.addoption(
        "--moa-agent",
        metavar="ID",
        help="Gate this agent's work; `auto` takes it from the checked-out branch.",
    )
    group.addoption(
        "--moa",
        action="store_true",
        dest="moa_all",
        help="Run everybody's tests once; an advisory verdict per agent.",
    )
    group.addoption("--moa-config", metavar="FILE", help="The config file; by default it is looked for.")
    group.addoption(
        "--moa-threshold",
        metavar="N",
        help="Least coverage of own code in percent; only raises the policy's.",
    )
    group.addoption("--moa-report", metavar="FILE", help="Write the gate's JSON object to FILE.")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    # A wrapper runs before pytest-cov's own `tryfirst` hook, which starts the tracer.
    agent, everyone = _asked(early_config)
    if agent is not None or everyone or os.environ.get(_WORKER):
        from pytest_moa.desk.begin import begin  # noqa: PLC0415 - inert unless asked: nothing heavy before

        begin(early_config, parser, args, agent)
    elif os.environ.get("MOA_CHILD") != "1":
        _refuse_lonely_report(early_config)
    return (yield)


def _refuse_lonely_report(config: pytest.Config) -> None:
    # Typed alone; in a project's own settings it waits for the runs that ask for a gate.
    if any(str(word).split("=", 1)[0] == "--moa-report" for word in config.invocation_params.args):
        raise pytest.UsageError(
            "--moa-report reports a gate: name the agent with --moa-agent ID or AGENT_ID, or say --moa"
        )


def _asked(config: pytest.Config) -> tuple[str | None, bool]:
    """The agent that is asked for and whether all are; (None, False) leaves moa asleep."""
    options = config.known_args_namespace
    if (
        os.environ.get("MOA_CHILD") == "1"
        or getattr(options, "help", False)
        or getattr(options, "version", 0)
    ):
        return None, False
    if options.moa_all or options.moa_agent is not None:
        return options.moa_agent, options.moa_all
    agent = os.environ.get("AGENT_ID", "")
    return (agent, False) if agent and _at_home(config.rootpath, agent) else (None, False)


def _at_home(root: Path, agent: str) -> bool:
    """Whether AGENT_ID is meant for us: other systems set a variable of that name, and theirs must not wake us."""
    if os.environ.get("MOA_CONFIG") or any((root / name).is_file() for name in _CONFIG_FILES):
        return True
    if (
        agent.replace("-", "").replace("_", "").replace(".", "").isalnum()
        and (root / f"tests/agent{agent}").is_dir()
    ):
        return True
    try:
        return b"\n[tool.moa" in b"\n" + (root / "pyproject.toml").read_bytes()
    except OSError:
        return False
