-- The IaC branches that something waits to be pushed to, longest waiting first.
SELECT repository, branch FROM dag.push_todo GROUP BY repository, branch ORDER BY min(position)
