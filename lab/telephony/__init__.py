"""Modems and the telephone network between them. Only ``equipment`` knows descriptors and clocks."""
