"""Tries both commands of the README on fresh, minimal Debian machines: see docs/machines.md."""
