"""The flow of tasks through the agent, from the queue to the result."""
