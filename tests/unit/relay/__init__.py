"""The relay of remote service by Internet, its protocol, and both ends."""
