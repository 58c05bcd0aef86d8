from fastapi.openapi.constants import *
