from fastapi.openapi.utils import *
