"""The way of a task through the agent."""
