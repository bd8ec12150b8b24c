"""Infrastructure-as-Code repositories: a bare mirror of one branch, its trees read and written without a work tree.

`access` says how to get in, `wire` talks to the git server, `mirror` keeps the local copy, `tree` reads and rewrites
directories. libgit2 does the work; its process-wide settings stand in `library`.
"""
