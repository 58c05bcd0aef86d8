from fastapi.types import *
