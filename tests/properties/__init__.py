"""Properties that must hold for any declaration and any input: the outcome is FastAPI's."""
