"""The protocols that the server speaks, and clients that speak them in tests."""
