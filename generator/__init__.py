"""From one solution config to everything that is deployed: load, validate, resolve, emit."""
