"""A simulated InvokeAI."""
