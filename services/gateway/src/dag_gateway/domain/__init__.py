"""What the gateway decides, without asking anyone: what a proven job is, and where it may deploy."""
