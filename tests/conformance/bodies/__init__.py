"""JSON bodies: how they are read, decoded, divided among parameters and validated."""
