"""Responses: both JSON dialects, response models, classes, status codes, headers and cookies."""
