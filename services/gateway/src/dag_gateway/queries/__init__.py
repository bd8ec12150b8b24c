"""Questions: what is deployed (asked of the IaC repository), and what became of deployments (asked of the log)."""
