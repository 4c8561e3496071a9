"""The pages of the two rules that probes speak for."""

from __future__ import annotations

UNNOTICED = """\
**Sees:** at run time, a deliberate fault in a covered line of the branch's own code that no test noticed.

After a green run, faults are put into the branch's covered code, one at a time: a boundary moved, a condition negated, a
returned value replaced, a call dropped. The tests that ran the line run again. A fault is noticed when one of them fails
under it and passes under an equivalent rewrite of the same line, so a test that compares the source's text proves
nothing.

**Catches,** for example:

```python
def total(prices, discount):
    if sum(prices) > 100:                  # moved to `>= 100`: every test still passes
        return sum(prices) - discount
    return sum(prices)

def test_total():
    assert total([150], 10) == 140
    total([100], 10)                       # runs the line, and looks at nothing
```

**Does not look at** lines that no test runs (coverage tells these), code that the branch did not write, faults that change
nothing anyone could see where that is known. One unnoticed fault is news and no accusation: some are equivalent to the
code that was there. Which faults are tried is drawn by a seed that is recorded with the result.

A `warn` finding of another rule directs the probes: what it points at is probed first. Where of the faults there none is
noticed, that finding becomes `block`.

**Legal way out:** none is needed for a note. `moa gate --probes 0` asks no questions, `integrity.probes` on the target says
how many and for how long.
"""

BLIND = """\
**Sees:** at run time, tests that run the branch's code and do not look at what it does: of the deliberate faults that were
put into its covered lines (`probe-unnoticed` tells how), too few were noticed for that to be chance.

**Catches,** at 100 % coverage:

```python
def test_everything():
    for name in dir(billing):
        try:
            getattr(billing, name)([1, 2])
        except Exception:
            pass
```

**How sure:** a sequential test (Wald's) weighs a suite that notices 80 % of the faults against one that notices 20 %. Five
unnoticed ones in a row are enough for the one, four noticed ones in a row for the other; a doubtful case is asked more.
With fewer than five answers nobody is called blind. An unnoticed fault counts only after a canary, a fault that any run
must notice: where it leaves no mark, the changed code did not run, and the probe says nothing.

**Does not look at** branches without covered code of their own, and says nothing of whether the behaviour is right: it
shows that tests react.

**Legal way out:** assert results in the tests that run these lines. Or allow it on the target:
`integrity.allow: [{rule: probe-blind, path: src/generated/**}]`, or `--allow probe-blind:src/plot.py --because "pictures, looked
at by a person"`.
"""
