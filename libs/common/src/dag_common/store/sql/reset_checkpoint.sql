-- Put a cursor back to the start of the log, and hold it there until the transaction ends: who moves it waits. $1: name.
INSERT INTO dag.checkpoints (name, position) VALUES ($1, 0) ON CONFLICT (name) DO UPDATE SET position = 0
