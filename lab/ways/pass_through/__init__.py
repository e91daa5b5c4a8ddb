"""Ways over a partition of i5/OS: L2TP in clear to it, and from there its VPN or its modem (S4 2.1.4)."""
