"""Recordings: small true runs of the lab, which tests change and judge. ``make recordings`` renews them."""
