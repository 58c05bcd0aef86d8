"""FastAPI judges hyperfastapi: every test runs one application on both and compares."""
