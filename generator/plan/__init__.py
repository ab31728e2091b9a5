"""The plan of a solution: resources, quotas, cost."""
