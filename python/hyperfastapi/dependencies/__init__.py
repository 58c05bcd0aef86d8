from fastapi.dependencies import *
