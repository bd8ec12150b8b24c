-- Put a cursor back to the start of the log. $1: name.
DELETE FROM dag.checkpoints WHERE name = $1
