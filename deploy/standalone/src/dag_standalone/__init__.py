"""All of DAG in one process on one machine, for trials, small teams and tests: `dag up`."""
