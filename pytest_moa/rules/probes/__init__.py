"""Probes: deliberate faults in covered own code that ask whether the tests notice anything. Pure: nothing is run here.

`faults` says what can be changed, `plan` in which order and for which tests, `course` what to ask next and what the
answers mean, `decide` when that is enough, `record` how it travels, `verdict` what is found.
"""
