"""Dependencies: graphs, caching, overrides, errors, scopes, teardown."""
