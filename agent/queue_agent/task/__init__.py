"""What a task is: its message, its inputs, its record, its keys."""
