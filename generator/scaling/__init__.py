"""A model of how runtimes scale: what arrivals of tasks, under a policy, wait and cost."""
