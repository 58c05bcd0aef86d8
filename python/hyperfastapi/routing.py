from fastapi.routing import *
