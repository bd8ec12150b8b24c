"""The outside world on loopback, to try and test DAG on: a git host, a CI provider, a cluster with its reconcilers."""
