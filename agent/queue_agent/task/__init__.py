"""The task: the contract with the API, its message, its inputs, its record."""
