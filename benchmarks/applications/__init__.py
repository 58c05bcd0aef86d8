"""The applications that the contenders serve; they know nothing of the server under them."""
