"""IBM's side of the lab: the servers that a machine calls home to, and what they need."""
