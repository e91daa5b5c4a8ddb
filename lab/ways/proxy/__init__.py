"""The way home through the customer's HTTP proxies, by CONNECT (OUT-09 to OUT-14, F-10)."""
