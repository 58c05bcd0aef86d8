"""The Autobahn test suite against this server's WebSockets."""
