"""Deploys a build to an account, and removes it. Each step looks up what exists; no state is kept."""
