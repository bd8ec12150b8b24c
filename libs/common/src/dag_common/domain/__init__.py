"""What a deployment is: pure functions over its events. No I/O, no clock, no randomness."""
