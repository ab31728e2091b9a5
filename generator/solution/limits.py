"""Retention times and sizes that are the same for every solution."""

DAY_SECONDS = 86_400

QUEUE_RETENTION_SECONDS = 10 * DAY_SECONDS
# A message keeps its age in the dead-letter queue, whose retention must be longer than the queue's.
DEAD_LETTER_RETENTION_SECONDS = 14 * DAY_SECONDS
# The most that SQS takes. docs: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
SQS_MAX_RECEIVE_COUNT = 1000
# Longer than a message can stay in a queue and then in its dead-letter queue.
TASK_RECORD_DAYS = 30
LOG_DAYS = 30
# What a task gets in addition to its timeout, to store its pictures.
STORE_SECONDS = 60
# Tasks wait and no agent receives: a new GPU node with a new image may need ten minutes to its first task.
UNTAKEN_MINUTES = 15
# Memory of the API's function, which gets CPU in proportion: the cold start takes half as long as at 256 MB.
API_FUNCTION_MIB = 512
# The authorizer reads two headers.
API_AUTHORIZER_MIB = 128
# Calls of a webhook: after the first, within a minute, and the last about 19 hours later.
WEBHOOK_ATTEMPTS = 10
WEBHOOKS_FUNCTION_MIB = 256
# Names are looked up, connections made, and an answer waited for, of all webhooks of a batch at once.
WEBHOOKS_FUNCTION_SECONDS = 60
# Six times the function's timeout: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
WEBHOOKS_VISIBILITY_SECONDS = 6 * WEBHOOKS_FUNCTION_SECONDS
# Batches of ten at the same time: receivers that are slow leave the account's other functions room.
WEBHOOKS_CONCURRENCY = 10
# How much longer than a task a node may take to drain: sd-runtimes.drain in the chart.
DRAIN_SECONDS = 660
