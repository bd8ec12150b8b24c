"""The registry: which CI project may deploy to which environments, where their charts live in git and what to watch.

Read from `dag.yaml` or a directory of such files, the same for all services. Everything in it is a plain value;
credentials are references that are read when they are used.
"""
