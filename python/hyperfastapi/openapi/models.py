from fastapi.openapi.models import *
