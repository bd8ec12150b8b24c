"""What acceptance tests are made of: real service processes, an outside world on loopback, a CI, an auditor.

A test builds a `Scene`, breaks something in it and lets the `Auditor` look. The parts know nothing of each other but
addresses and records, so a fault suite can put proxies between them and call the same auditor after every run.
"""
