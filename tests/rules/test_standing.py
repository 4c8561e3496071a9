"""What people's words come to, in whatever order and with whatever clocks they were written."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest

from pytest_moa.model.results import Event
from pytest_moa.rules.standing import (
    Standing,
    Words,
    agent_subject,
    standing_of,
    taken_back,
    target_subject,
    words_of,
)

NOW = "2026-11-24T08:00:00.000000+00:00"
YESTERDAY = "2026-11-23T08:00:00.000000+00:00"
FAR = "9999-12-31T23:59:59.999999+00:00"
HEAD, OTHER_HEAD = "a" * 40, "b" * 40
FIRST, SECOND = "1" * 40, "2" * 40


class Book:
    """A ledger in memory; whoever says something has read all that stands there, as `moa` has."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def words(self) -> Words:
        return words_of(self.events, "develop")

    def stands(self) -> Standing:
        return standing_of(self.words(), "develop")

    def says(self, kind: str, agent: str | None = None, *, at: str = NOW, **data: Any) -> Book:
        subject = agent_subject(agent) if agent else target_subject("develop")
        answers = [word.id for word in self.words().standing.get(subject, ())]
        return self.writes(kind, agent, at=at, **{"answers": answers, "target": "develop", **data})

    def writes(self, kind: str, agent: str | None = None, *, at: str = NOW, **data: Any) -> Book:
        self.events.append(Event(kind=kind, at=at, agent=agent, data=data))
        return self

    def lands(self, commit: str = FIRST, *, head: str = HEAD, target: str = "develop", at: str = NOW) -> Book:
        again = self.words().again.get((head, commit), 0)
        return self.writes("landed", "03", at=at, head=head, commit=commit, target=target, again=again)

    def back(self, *there: str, heads: tuple[str, ...] = (HEAD,)) -> dict[str, list[str]]:
        found = taken_back(self.words(), heads, there)
        return {head: [landing.commit for landing in landings] for head, landings in found.items()}

    def asks_again(self) -> Book:
        landings = self.words().landings.get(HEAD, ())
        return self.says("ready", "03", landings=[landing.id for landing in landings])


def test_nothing_was_said() -> None:
    assert Book().stands() == Standing()
    assert Book().back() == {}


def test_the_last_word_holds() -> None:
    book = Book().says("ready", "03").says("unready", "03", because="names", by="Ada").says("ready", "04")
    stands = book.stands()
    assert (set(stands.asked), set(stands.held)) == ({"04"}, {"03"})
    assert (stands.held["03"].because, stands.held["03"].by, stands.held["03"].at) == ("names", "Ada", NOW)
    stands = book.says("ready", "03").stands()
    assert (set(stands.asked), dict(stands.held)) == ({"03", "04"}, {})


def test_a_freeze_holds_until_it_is_lifted() -> None:
    book = Book().says("freeze", because="release", by="Ada")
    frozen = book.stands().frozen
    assert frozen is not None
    assert (frozen.because, frozen.by) == ("release", "Ada")
    assert book.says("unfreeze").stands().frozen is None
    assert book.says("freeze").stands().frozen is not None


@pytest.mark.parametrize("wrong", [FAR, YESTERDAY])
@pytest.mark.parametrize(
    ("first", "then", "agent"),
    [
        ("freeze", "unfreeze", None),
        ("unfreeze", "freeze", None),
        ("unready", "ready", "03"),
        ("ready", "unready", "03"),
    ],
)
def test_a_clock_that_jumps_changes_no_word(first: str, then: str, agent: str | None, wrong: str) -> None:
    """Whatever the clock said when the first word was written, the second one was its answer."""
    book = Book().says(first, agent, at=wrong).says(then, agent, at=NOW)
    book.events.sort(key=lambda event: event.at)
    stands = book.stands()
    assert (stands.frozen is not None) == (then == "freeze")
    assert ("03" in stands.held) == (then == "unready")
    assert ("03" in stands.asked) == (then == "ready")


def test_the_order_of_the_files_says_nothing() -> None:
    book = (
        Book()
        .says("freeze", at=FAR)
        .says("unfreeze")
        .says("freeze", at=YESTERDAY)
        .says("unfreeze", at=YESTERDAY)
    )
    for events in permutations(book.events):
        assert standing_of(words_of(events, "develop"), "develop").frozen is None


def test_of_two_words_said_at_once_the_careful_one_holds() -> None:
    for order in (("ready", "unready"), ("unready", "ready")):
        book = Book()
        for kind in order:
            book.writes(kind, "03")
        stands = book.stands()
        assert (stands.asked, set(stands.held)) == (frozenset(), {"03"})
        assert book.says("ready", "03").stands().asked == {"03"}
    book = Book().writes("freeze", because="one").writes("freeze", because="two").writes("unfreeze")
    assert book.stands().frozen is not None
    assert book.says("unfreeze").stands().frozen is None


def test_a_word_written_by_hand_holds_back_and_lets_nobody_go() -> None:
    book = Book().says("unready", "03").says("freeze")
    assert book.writes("ready", "03", at=FAR).writes("unfreeze", at=FAR).stands().frozen is not None
    assert set(book.stands().held) == {"03"}


def test_a_word_about_one_agent_answers_nothing_about_another() -> None:
    book = Book().says("unready", "03").says("freeze")
    every = [word.id for words in book.words().standing.values() for word in words]
    book.writes("ready", "04", answers=every)
    assert (set(book.stands().held), book.stands().frozen is not None) == ({"03"}, True)


def test_another_targets_words_and_landings_count_for_nothing() -> None:
    book = Book().writes("freeze", target="release").lands(target="release")
    assert (book.stands().frozen, book.back()) == (None, {})
    assert book.writes("freeze").stands().frozen is not None, "a freeze that names none is one of all"


@pytest.mark.parametrize("junk", [None, 3, True, ["x"], {"x": [1]}, "x\ny", "", 10**400])
def test_malformed_data_is_read_as_far_as_it_goes(junk: object) -> None:
    book = Book()
    for kind in ("ready", "unready", "freeze", "unfreeze", "landed"):
        for agent in ("03", None):
            data = dict.fromkeys(("because", "by", "target", "answers", "landings", "head", "commit"), junk)
            book.events.append(Event(kind=kind, at=NOW, agent=agent, data=data))
            book.events.append(Event(kind=kind, at=NOW, agent=agent, data={**data, "target": "develop"}))
    book.events.append(
        Event(
            kind="landed", at=NOW, agent="03", data={"head": "develop", "commit": "HEAD", "target": "develop"}
        )
    )
    stands = book.stands()
    assert stands.frozen is not None
    assert set(stands.held) == {"03"}
    assert book.back(heads=(HEAD, "develop")) == {}


def test_data_nested_too_deep_to_be_written_again_is_no_trouble() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert Book().writes("freeze", because=deep, more=deep).stands().frozen is not None
    while deep:  # freeing it in one go would recurse
        deep = deep.pop()  # type: ignore[assignment] # a list all the way down


def test_a_landing_that_the_target_lost_holds_its_head() -> None:
    book = Book().lands()
    assert book.back(FIRST) == {}
    assert book.back() == {HEAD: [FIRST]}
    assert book.back(heads=(OTHER_HEAD,)) == {}, "the branch went on"


def test_who_asks_again_may_go_and_only_for_what_was_lost_then() -> None:
    book = Book().lands().asks_again()
    assert book.back() == {}
    book.lands(SECOND)
    assert book.back(SECOND) == {}
    assert book.back() == {HEAD: [SECOND]}


def test_the_same_commit_may_be_taken_back_twice() -> None:
    """A candidate follows from target and head alone: after a rewind the same one lands again."""
    book = Book().lands().asks_again().lands(at="2026-11-24T09:00:00+00:00")
    assert book.back() == {HEAD: [FIRST]}
    assert book.asks_again().back() == {}


def test_a_landing_that_two_tell_of_is_one() -> None:
    """Two runs may both take it for their own, or one finds what the other has not told yet."""
    book = Book().lands().writes("landed", "03", at=FAR, head=HEAD, commit=FIRST, target="develop", again=0)
    assert book.back() == {HEAD: [FIRST]}
    (landing,) = book.words().landings[HEAD]
    late = Book().lands(at=YESTERDAY).says("ready", "03", landings=[landing.id]).lands(at=FAR)
    assert len(late.words().landings[HEAD]) == 1, "the second is the one that was asked for"
    assert book.asks_again().back() == {}


@pytest.mark.parametrize("again", [None, True, "1", -1, 10**400, [1]])
def test_a_landing_with_an_odd_count_holds_until_somebody_asks(again: object) -> None:
    book = Book().writes("landed", "03", head=HEAD, commit=FIRST, target="develop", again=again)
    assert book.back() == {HEAD: [FIRST]}
    assert book.asks_again().back() == {}


@pytest.mark.parametrize("at", [FAR, YESTERDAY])
def test_a_wrong_clock_neither_holds_nor_frees_a_landing(at: str) -> None:
    book = Book().lands(at=at)
    assert book.back() == {HEAD: [FIRST]}
    assert book.asks_again().back() == {}
    late = Book().says("ready", "03", at=FAR).lands()
    assert late.back() == {HEAD: [FIRST]}, "asked for before it was lost"


def test_a_head_that_landed_again_is_on_the_target_by_its_newest_landing() -> None:
    book = Book().lands().lands(SECOND)
    assert book.back(SECOND) == {}
    assert book.back(FIRST) == {}
    assert book.back() == {HEAD: [FIRST, SECOND]}


def test_a_forged_landing_holds_until_somebody_asks() -> None:
    book = Book().lands("f" * 40)
    assert book.back(FIRST) == {HEAD: ["f" * 40]}
    assert book.asks_again().back() == {}


def test_any_story_ends_as_its_last_sayer_meant_it() -> None:
    """Random clocks and file orders; everybody reads before speaking."""
    dice = random.Random(5)
    for _ in range(200):
        book, last, frozen = Book(), "", False
        for _ in range(dice.randrange(1, 12)):
            at = f"{dice.randrange(1000, 9999)}-01-01T00:00:00+00:00"
            if dice.random() < 0.5:
                last = dice.choice(["ready", "unready"])
                book.says(last, "03", at=at)
            else:
                frozen = dice.random() < 0.5
                book.says("freeze" if frozen else "unfreeze", at=at)
        dice.shuffle(book.events)
        stands = book.stands()
        assert (stands.frozen is not None) == frozen
        assert ("03" in stands.asked, "03" in stands.held) == (last == "ready", last == "unready")
