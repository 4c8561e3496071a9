"""The caller's word for a finding that may pass: as an option, as a trailer of the merge commit, as an allowance."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_moa.errors import UsageError
from pytest_moa.model.policy import Allowance
from pytest_moa.rules.integrity.pages import rule_names


def allowances(given: Sequence[str], because: Sequence[str]) -> tuple[Allowance, ...]:
    """`RULE:PATH` words with their reasons, one reason each or one for all. Raises UsageError.

    A word without a path, `RULE`, would mean the whole change: it is refused, since it lets through what nobody saw.
    """
    if not given and not because:
        return ()
    if not given:
        raise UsageError("--because says why, and nothing is allowed", remedy="Add --allow RULE:PATH.")
    reasons = [reason.strip() for reason in because]
    if not all(reasons) or len(reasons) not in (1, len(given)):
        raise UsageError(
            "Each --allow needs its --because",
            reason=f"{len(given)} of the one, {len(reasons)} of the other",
            remedy='Say why, once for all or once for each: --because "the old format was dropped, see #12".',
        )
    return tuple(
        _allowance(word, reason)
        for word, reason in zip(given, reasons if len(reasons) > 1 else reasons * len(given), strict=True)
    )


def trailers(given: Sequence[Allowance]) -> tuple[str, ...]:
    """What the merge commit says, one value of `Moa-Allow` each."""
    return tuple(f"{a.rule}:{a.path} ({a.because})" for a in given)


def _allowance(word: str, reason: str) -> Allowance:
    rule, colon, path = word.partition(":")
    names = rule_names()
    if not colon or not path.strip():
        raise UsageError(
            f"--allow {word!r} names no path",
            reason="it has to be RULE:PATH",
            remedy="Say which file is meant: --allow tests-removed:tests/test_old.py (globs are allowed).",
        )
    if rule not in names:
        raise UsageError(
            f"There is no rule {rule!r}",
            reason=f"there are {', '.join(names)}",
            remedy="`moa explain` lists them.",
        )
    return Allowance(rule=rule, path=path.strip(), because=reason)
