"""A way home by a leased line: a kind of way that another package brings."""
