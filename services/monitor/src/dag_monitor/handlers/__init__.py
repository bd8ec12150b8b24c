"""What the monitor does when it is woken: watch a rollout to its end, or hand it over."""
