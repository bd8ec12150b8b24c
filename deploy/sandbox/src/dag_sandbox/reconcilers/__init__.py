"""Stand-ins for reconcilers that follow IaC repositories: they act on the double as the real ones on a cluster."""
