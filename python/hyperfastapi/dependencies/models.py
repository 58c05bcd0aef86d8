from fastapi.dependencies.models import *
