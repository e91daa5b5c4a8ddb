"""The way home through IBM's VPN: IPsec, L2TP and PPP to one of its gateways (OUT-19, OUT-20)."""
