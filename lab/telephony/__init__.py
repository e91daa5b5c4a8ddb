"""Modems and the telephone network between them: everything here but `equipment` is free of I/O and clocks."""
