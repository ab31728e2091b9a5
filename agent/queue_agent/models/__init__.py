"""Downloads model files from the bucket next to the mount, while the runtime starts."""
