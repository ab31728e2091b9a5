"""The queue agent: receives tasks from SQS, runs them on the runtime, stores and announces results."""
