"""Which branch is whose, and what two branches of one agent come to."""

from __future__ import annotations

import pytest

from pytest_moa.model.agents import BranchRef
from pytest_moa.model.policy import AgentsKeys, Policy, RegistryEntry
from pytest_moa.rules.agents import agent_of_branch, discover, propose_patterns

PLAIN = Policy()
TOOLS = Policy(agents=AgentsKeys(branches=("copilot/{id}", "feature/*/bot-{id}")))
BOUND = Policy(registry=(RegistryEntry(id="03", branch="core/*"),))


def ref(name: str, head: str = "a" * 40, remote: str | None = None) -> BranchRef:
    place = f"refs/remotes/{remote}/" if remote else "refs/heads/"
    return BranchRef(name=name, ref=place + name, head=head, remote=remote)


@pytest.mark.parametrize(
    ("policy", "branch", "agent"),
    [
        (PLAIN, "agent-03-core-engine", "03"),
        (PLAIN, "agent-03", "03"),
        (PLAIN, "agent-20-anything$(git)'allows'🦊", "20"),
        (PLAIN, "agent-x.y_z-slug", "x.y_z"),
        (PLAIN, "agent--03", None),
        (PLAIN, "agent-", None),
        (PLAIN, "my-agent-03-x", None),
        (PLAIN, "develop", None),
        (PLAIN, "main", None),
        (PLAIN, "moa/ledger", None),
        (TOOLS, "copilot/fix-12", "fix-12"),
        (TOOLS, "copilot/fix/12", None),
        (TOOLS, "feature/x/y/bot-7", "7"),
        (TOOLS, "agent-03-x", "03"),
        (BOUND, "core/engine", "03"),
        (BOUND, "agent-03-stray", None),
    ],
)
def test_a_branch_belongs_to_the_agent_its_name_says(policy: Policy, branch: str, agent: str | None) -> None:
    assert agent_of_branch(policy, branch) == agent


def test_agents_come_in_the_order_of_their_numbers_with_names_from_their_slugs() -> None:
    agents = discover(
        PLAIN, [ref("agent-10-core_engine"), ref("agent-9-db"), ref("topic")], [], truth="local"
    )
    assert [(a.id, a.name) for a in agents] == [("9", "Db"), ("10", "Core Engine")]


def test_two_branches_for_one_agent_are_rivals_and_not_a_choice() -> None:
    (agent,) = discover(PLAIN, [ref("agent-03-b"), ref("agent-03-a")], [], truth="local")
    assert agent.branch is not None
    assert (agent.branch.name, [r.name for r in agent.rivals]) == ("agent-03-a", ["agent-03-b"])


def test_the_remote_is_the_truth_and_what_is_only_here_is_unpushed() -> None:
    here, there = [ref("agent-03-a", "1" * 40), ref("agent-04-b")], [ref("agent-03-a", "2" * 40, "origin")]
    third, fourth = discover(PLAIN, here, there, truth="remote")
    assert third.branch is not None
    assert (third.branch.head, third.unpushed) == ("2" * 40, False)
    assert fourth.unpushed


def test_locally_a_branch_that_only_the_remote_has_is_taken_from_there() -> None:
    (agent,) = discover(PLAIN, [], [ref("agent-03-a", remote="origin")], truth="local")
    assert (agent.branch is not None, agent.unpushed) == (True, False)


def test_a_registered_agent_without_a_branch_is_known() -> None:
    (agent,) = discover(BOUND, [ref("agent-03-stray")], [], truth="local")
    assert (agent.id, agent.branch) == ("03", None)


def test_patterns_of_known_tools_are_proposed() -> None:
    assert propose_patterns(["copilot/a", "claude/b/c", "feature/x", "main"]) == (
        "copilot/{id}",
        "claude/{id}",
    )
