"""``study.toml``: its tables, their forms and what they may hold."""
