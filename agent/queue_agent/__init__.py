"""The queue agent: takes tasks from SQS, runs them on the runtime beside it, stores and announces results."""
