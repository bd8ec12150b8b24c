"""What the monitor decides, as pure functions: judges say how targets stand, `rollout` says which facts follow.

Objects come in as plain JSON, knowledge of the log as an `Expectation`, the time as an argument.
"""
