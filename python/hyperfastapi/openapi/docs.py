from fastapi.openapi.docs import *
