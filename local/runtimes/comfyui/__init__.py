"""A simulated ComfyUI."""
