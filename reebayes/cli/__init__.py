"""The commands: load, call, save; every message is one that a user can act on."""
