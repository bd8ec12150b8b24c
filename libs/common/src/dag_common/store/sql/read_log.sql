-- The log after a position, in order. $1: position, $2: how many at most.
SELECT * FROM dag.events WHERE position > $1 ORDER BY position LIMIT $2
