from fastapi.middleware.gzip import *
