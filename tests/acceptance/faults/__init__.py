"""The fault suite: a whole installation under a seeded storm of faults, and the auditor afterwards.

Every fault is a function that breaks one thing, waits until it has seen the break take effect, mends it, and returns
how often it struck. `weather.FAULTS` is the list; a run in which one of them never struck has failed.
"""
