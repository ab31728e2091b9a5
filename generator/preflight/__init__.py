"""Asks AWS, before anything is created, whether the plan can work in this account. Read-only by default."""
