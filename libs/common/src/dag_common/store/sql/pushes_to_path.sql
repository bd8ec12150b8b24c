-- Earlier pushes to one place, newest first. $1: before position, $2: what their payloads say of the place, $3: at most.
SELECT * FROM dag.events
WHERE type = 'chart.pushed' AND position < $1 AND strpos(payload, $2) > 0
ORDER BY position DESC LIMIT $3
