from fastapi.requests import *
