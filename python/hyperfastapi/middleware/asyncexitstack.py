from fastapi.middleware.asyncexitstack import *
