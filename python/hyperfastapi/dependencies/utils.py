from fastapi.dependencies.utils import *
