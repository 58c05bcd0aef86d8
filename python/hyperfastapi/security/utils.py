from fastapi.security.utils import *
