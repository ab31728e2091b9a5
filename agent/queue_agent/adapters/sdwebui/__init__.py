"""SD WebUI (A1111 and Forge)."""
