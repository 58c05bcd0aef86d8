"""One body, two servers: the same bytes in, the same bytes and the same observations out."""
