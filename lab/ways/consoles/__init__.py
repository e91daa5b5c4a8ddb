"""A way home by other consoles: a request goes to a call-home server, which sends it to IBM (M-05)."""
