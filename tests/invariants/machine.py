"""The rules of the game: people work, the target moves, moa is called while something goes wrong; and what holds after each."""

from __future__ import annotations

import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from invariants.promises import Call, Promises
from invariants.truth import Suites
from invariants.world import KNOBS, WORKS, Head, Work, World
from support.faults import Answer, AtGit, Fault, Forking, Hook, InTests, Limit, Patched, Signal

KILL = "kill -9 $PPID\nsleep 0.05"
ALL = ("integrate", "--all", "--json", "--probes", "0")

FAULTS = (
    "none",
    "refused",
    "landed and told otherwise",
    "target moves in tests",
    "target moves before the landing",
    "target moves after the landing",
    "target rewound in tests",
    "target rewound before the landing",
    "target rewound after the landing",
    "head moves in tests",
    "head moves before the landing",
    "head goes on in tests",
    "branch deleted in tests",
    "killed before a call",
    "killed after a call",
    "killed around the landing",
    "killed before the ledger",
    "killed at a time",
    "killed with its children",
    "interrupted",
    "git fails",
    "disk full",
    "clock_far_behind",
    "clock_far_ahead",
    "clock_that_jumps",
    "lock",
)
LOCKS = (
    "refs/heads/develop.lock",
    "index.lock",
    "packed-refs.lock",
    "refs/remotes/origin/develop.lock",
    "HEAD.lock",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A fault, the heads that branches get where it strikes, and those that were left before anything could land."""

    fault: Fault | None = None
    moved: tuple[Head, ...] = ()
    gone: tuple[Head, ...] = ()
    deleted: str | None = None
    lock: Path | None = None


class Player:
    """What may happen, as plain methods: stories that are written by hand use them, too."""

    def __init__(self, place: Path, moa: Forking, suites: Suites, *, local: bool = False) -> None:
        self.world = World(place=place, moa=moa, suites=suites, local=local)
        self.promises = Promises(world=self.world)
        self.promises.people_moved()
        self.sound = True

    @property
    def landing(self) -> str:
        return "*update-ref*refs/heads/develop*" if self.world.local else "*push*:refs/heads/develop"

    # People

    def works(self, agent: str, work: Work, knob: str = KNOBS[0]) -> None:
        self.world.pushes(self.world.prepares(agent, work, knob))

    def starts_again(self, agent: str, work: Work, knob: str = KNOBS[0]) -> None:
        """A force push: the branch begins anew from the target."""
        self.world.pushes(self.world.prepares(agent, work, knob, at=self.world.target()))

    def deletes(self, agent: str) -> None:
        self.world.deletes(agent)

    def foreign(self, *, red: bool = False, before: str | None = None) -> str:
        """A commit of somebody else's for the target, not pushed yet."""
        number = self.world.number + 1
        text = "def test_red():\n    assert 1 == 2\n" if red else "Somebody else's words.\n"
        path = "tests/test_red.py" if red else f"docs/other_{number}.md"
        return self.world.commits({path: text}, (before or self.world.target(),))

    def somebody_pushes(self, *, red: bool = False) -> None:
        self.world.moves_target(self.foreign(red=red))
        self.promises.people_moved()

    def mends(self) -> None:
        """Somebody takes a red test from the target."""
        if self.world.repo.has(f"{self.world.target()}:tests/test_red.py"):
            commit = self.world.commits({"tests/test_red.py": None}, (self.world.target(),))
            self.world.moves_target(commit)
            self.promises.people_moved()

    def earlier(self, steps: int) -> str:
        """The target so many steps back on its first-parent line, at most its first commit."""
        line = self.world.repo.git("rev-list", "--first-parent", "develop").split()
        return line[min(steps, len(line) - 1)]

    def rewinds(self, steps: int) -> None:
        self.world.moves_target(self.earlier(steps))
        self.promises.people_moved()

    def says(self, *words: str, place: int = 0) -> Answer:
        """Somebody says a word to the ledger."""
        answer = self.world.calls(*words, place=place)
        assert answer.code == 0, str(answer)
        match words[0]:
            case "freeze":
                self.world.frozen = True
            case "unfreeze":
                self.world.frozen = False
            case "unready":
                self.world.held[words[1]] = "held"
            case "ready":
                self.world.held.pop(words[1], None)
                head = self.world.heads.get(words[1])
                if head is not None:
                    self.promises.excused.add(head.commit)
        return answer

    # What goes wrong

    def planned(self, name: str, number: int = 1, agent: str | None = None) -> Planned:
        """A fault by its name. Where a world has no such thing (no branch, no remote), nothing goes wrong."""
        at_git = {
            "landed and told otherwise": ("and fails", self.landing, 1, ":"),
            "killed before a call": ("before", "*", number, KILL),
            "killed after a call": ("after", "*", number, KILL),
            "killed around the landing": (("before", "after")[number % 2], self.landing, 1, KILL),
            "killed before the ledger": ("before", "*moa/ledger*", number % 6 + 1, KILL),
            "git fails": ("instead", "*", number, ":"),
        }
        if name in at_git:
            when, pattern, nth, script = at_git[name]
            return Planned(fault=AtGit(when=when, pattern=pattern, number=nth, script=script))  # type: ignore[arg-type] # one of the words above
        if name.startswith("target"):
            return self._target(name, number)
        if name.startswith(("head", "branch")):
            return self._head(name, number, agent)
        return self._outer(name, number)

    def _target(self, name: str, number: int) -> Planned:
        world = self.world
        git = f"git --git-dir='{world.truth.repository}{'/.git' if world.local else ''}'"
        if "rewound" in name:
            script = world.script_for_target(self.earlier(number % 3 + 1))
        elif name.endswith("after the landing"):
            script = (
                f"c=$({git} -c user.name=P -c user.email=p@x commit-tree -p refs/heads/develop -m more "
                f"'refs/heads/develop^{{tree}}') && {world.script_for_target('$c')}"
            )
        else:
            script = world.script_for_target(self.foreign(red=number % 5 == 0))
        return Planned(fault=self._at(name, script))

    def _at(self, name: str, script: str) -> Fault:
        if name.endswith("in tests"):
            return InTests(script=script)
        return AtGit(
            pattern=self.landing,
            when="after" if name.endswith("after the landing") else "before",
            script=f"({script})",
        )

    def _head(self, name: str, number: int, agent: str | None) -> Planned:
        world = self.world
        if agent not in world.heads:
            return Planned()
        old = world.heads[agent]
        if name.startswith("branch"):
            fault = self._at(name, world.script_for_branch(agent, None))
            return Planned(fault=fault, gone=(old,), deleted=agent)
        at = None if "goes on" in name else world.target()
        new = world.prepares(agent, ("green", "red")[number % 2], KNOBS[0], at=at)
        fault = self._at(name, world.script_for_branch(agent, new))
        return Planned(fault=fault, moved=(new,), gone=(old,) if isinstance(fault, InTests) else ())

    def _outer(self, name: str, number: int) -> Planned:  # noqa: PLR0911 - one kind of fault each
        if name.startswith("clock"):
            return Planned(fault=Patched(name=name))
        match name:
            case "refused" if not self.world.local:
                script = 'case "$1" in refs/heads/develop) echo no >&2; exit 1;; esac'
                return Planned(fault=Hook(name="update", script=script))
            case "killed at a time":
                return Planned(fault=Signal(after=number / 40))
            case "killed with its children":
                return Planned(fault=Signal(after=number / 40, group=True))
            case "interrupted":
                return Planned(
                    fault=Signal(after=number / 40, number=(signal.SIGINT, signal.SIGTERM)[number % 2])
                )
            case "disk full":
                return Planned(fault=Limit(size=(0, 100, 1000, 5000, 50_000)[number % 5]))
            case "lock":
                folder = self.world.places[0].path / ".git"
                if number % 2 and not self.world.local:
                    folder = self.world.repo.path
                return Planned(lock=folder / LOCKS[number % len(LOCKS)])
        return Planned()

    # Calls

    def integrates(
        self, *argv: str, planned: Planned | None = None, place: int = 0, quiet: bool = False
    ) -> Answer:
        """One call of moa, under a fault, and everything that holds afterwards."""
        return self.at_once([(argv or ALL, place)], planned or Planned(), quiet=quiet)[0]

    def at_once(
        self, calls: list[tuple[tuple[str, ...], int]], planned: Planned, *, quiet: bool = False
    ) -> list[Answer]:
        """Several at the same time; the first is the one that something happens to."""
        world, self.sound = self.world, False
        start, before, litter = len(self.promises.moves()), dict(world.heads), world.litter()
        made = self._locks(planned.lock)
        running = [
            world.begins(
                world.places[place % len(world.places)], argv, planned.fault if number == 0 else None
            )
            for number, (argv, place) in enumerate(calls)
        ]
        answers = [one.answer() for one in running]
        if made is not None:
            with suppress(FileNotFoundError):
                made.unlink()
        world.calms()
        struck = answers[0].struck
        if struck:
            self._happened(planned)
        call = Call(
            answers=answers,
            before=before,
            start=start,
            places=[world.places[place % len(world.places)] for _, place in calls],
            moved=planned.moved if struck else (),
            gone=planned.gone if struck and isinstance(planned.fault, InTests) and len(calls) == 1 else (),
            frozen=world.frozen,
            held=frozenset(world.held),
            quiet=quiet,
            litter=litter,
            unsure=len(calls) > 1 and isinstance(planned.fault, AtGit) and planned.fault.when == "and fails",
        )
        self.promises.holds(call)
        self.sound = True
        return answers

    def _locks(self, lock: Path | None) -> Path | None:
        if lock is None or lock.exists():
            return None
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        return lock

    def _happened(self, planned: Planned) -> None:
        for head in planned.moved:
            self.world.heads[head.agent] = head
        if planned.deleted is not None:
            del self.world.heads[planned.deleted]

    def settles(self) -> None:
        """Nothing goes wrong any more: calls until nobody lands, and then everybody who can has landed."""
        self.mends()
        if self.world.frozen:
            self.says("unfreeze")
        for _ in range(len(self.world.heads) + 1):
            answer = self.integrates(*ALL, quiet=True)
            if not answer.data.get("landed") or not self.promises.waiting():
                break
        assert answer.code in {0, 1, 4}, f"a quiet call ended badly: {answer}"
        assert not self.promises.waiting(), f"{self.promises.waiting()} could land: {answer}"
        for place in self.world.places:
            assert self.world.status(place) == "", f"the work tree of {place.path.name} is not clean"


AGENTS = ("01", "02", "03", "04", "05", "06")
AN_AGENT = st.sampled_from(AGENTS[:5])
A_WORK = st.sampled_from(WORKS)
A_KNOB = st.sampled_from(KNOBS)


class Machine(RuleBasedStateMachine):
    """Chance plays. `place`, `moa` and `suites` are given by whoever runs it."""

    place: Path
    moa: Forking
    suites: Suites

    def __init__(self) -> None:
        super().__init__()
        self.player: Player

    @initialize(
        team=st.lists(st.tuples(A_WORK, A_KNOB), min_size=3, max_size=5),
        local=st.sampled_from((False, False, True)),
    )
    def begins(self, team: list[tuple[Work, str]], *, local: bool) -> None:
        place = Path(tempfile.mkdtemp(dir=self.place))
        self.player = Player(place, self.moa, self.suites, local=local)
        for agent, (work, knob) in zip(AGENTS, team, strict=False):
            self.player.works(agent, work, knob)

    @rule(agent=AN_AGENT, work=A_WORK, knob=A_KNOB)
    def works(self, agent: str, work: Work, knob: str) -> None:
        self.player.works(agent, work, knob)

    @rule(agent=AN_AGENT, work=A_WORK, knob=A_KNOB)
    def starts_again(self, agent: str, work: Work, knob: str) -> None:
        self.player.starts_again(agent, work, knob)

    @rule(agent=AN_AGENT)
    def deletes(self, agent: str) -> None:
        if agent in self.player.world.heads:
            self.player.deletes(agent)

    @rule(red=st.sampled_from((False, False, True)))
    def somebody_pushes(self, *, red: bool) -> None:
        self.player.somebody_pushes(red=red)

    @rule()
    def mends(self) -> None:
        self.player.mends()

    @rule(steps=st.integers(1, 3))
    def rewinds(self, steps: int) -> None:
        self.player.rewinds(steps)

    @rule(
        word=st.sampled_from(("ready", "unready", "freeze", "unfreeze")),
        agent=AN_AGENT,
        place=st.integers(0, 1),
    )
    def says(self, word: str, agent: str, place: int) -> None:
        if self.player.world.local:
            place = 0
        who = (agent,) if word.endswith("ready") else ()
        if not who or agent in self.player.world.heads:
            self.player.says(word, *who, "--because", "so it is", place=place)

    @rule(name=st.sampled_from(FAULTS), number=st.integers(1, 140), agent=AN_AGENT, place=st.integers(0, 1))
    def integrates(self, name: str, number: int, agent: str, place: int) -> None:
        self.player.integrates(planned=self.player.planned(name, number, agent), place=place)

    @rule(agent=AN_AGENT, name=st.sampled_from(FAULTS), number=st.integers(1, 100))
    def integrates_one(self, agent: str, name: str, number: int) -> None:
        if agent in self.player.world.heads:
            planned = self.player.planned(name, number, agent)
            self.player.integrates("integrate", agent, "--json", "--probes", "0", planned=planned)

    @rule(
        name=st.sampled_from(FAULTS),
        number=st.integers(1, 140),
        agent=AN_AGENT,
        places=st.lists(st.integers(0, 1), min_size=2, max_size=3),
    )
    def integrate_at_once(self, name: str, number: int, agent: str, places: list[int]) -> None:
        planned = self.player.planned(name, number, agent)
        self.player.at_once([(ALL, place) for place in places], planned)

    def teardown(self) -> None:
        if hasattr(self, "player") and self.player.sound:
            self.player.settles()


def playing(place: Path, moa: Forking, suites: Suites) -> type[Machine]:
    """A machine that plays there."""
    return type("Machine", (Machine,), {"place": place, "moa": moa, "suites": suites})
