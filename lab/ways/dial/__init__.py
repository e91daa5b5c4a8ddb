"""The way home by telephone: a modem, PPP with PAP, and AT&T's fenced gateway (OUT-23)."""
