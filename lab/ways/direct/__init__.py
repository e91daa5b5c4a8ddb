"""The way home over the Internet, by TLS to the listed servers (OUT-01)."""
