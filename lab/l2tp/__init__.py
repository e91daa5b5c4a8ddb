"""Our own L2TPv2 control plane (RFC 2661): bytes and time in, bytes and events out; no sockets, no clock."""
