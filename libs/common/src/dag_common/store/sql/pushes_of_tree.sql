-- Earlier pushes that left this git tree at this place, newest first. $1: before position, $2: tree id, $3: how many at most.
SELECT * FROM dag.events
WHERE type = 'chart.pushed' AND position < $1 AND strpos(payload, '"tree":"' || $2 || '"') > 0
ORDER BY position DESC LIMIT $3
