"""Asks AWS, before anything is made, whether the plan can work in this account. Read-only unless asked."""
