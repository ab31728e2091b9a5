"""InvokeAI."""
