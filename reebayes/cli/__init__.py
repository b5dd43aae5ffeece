"""The commands: load, call, save; every message is one that a user can act on.

A command has its function and its parser side by side in one module: `studies` (check, describe,
harmonise), `fits` (run, fit), `readers` (report, export, learnt), `experiments` (compare,
calibrate). They share `console`, what is printed and how a command ends, and `options`, what is
typed. `main` chooses a command and calls it with what was typed as keywords.
"""
