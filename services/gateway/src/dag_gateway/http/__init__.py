"""HTTP: reads requests within hard limits, asks the handlers and queries, and writes answers, problems and streams."""
