"""Helm charts as values: read from an upload, stamped with a version, packed again.

Pure code without any I/O; callers move big inputs to a thread.
"""
