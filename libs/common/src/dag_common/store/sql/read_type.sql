-- Records of one type after a position, in order. $1: type, $2: position, $3: how many at most.
SELECT * FROM dag.events WHERE type = $1 AND position > $2 ORDER BY position LIMIT $3
