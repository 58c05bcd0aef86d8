"""HTTP/2 attacks on a server, and a well-behaved client beside them."""
