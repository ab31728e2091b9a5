"""The function behind the HTTP API: checks a task, publishes it, tells how it fares. Needs boto3 alone."""
