"""What happened in a run: noted while it happens, told to the user, and judged afterwards."""
