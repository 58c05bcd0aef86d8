from fastapi.middleware import *
