"""Servers that users enter at agents, and that no list has: what stands there, and what is taken (OUT-44)."""
