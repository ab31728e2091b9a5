"""The Lambda function of the HTTP API: validates a task, publishes it, reports its state. Needs boto3."""
