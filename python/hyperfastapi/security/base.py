from fastapi.security.base import *
