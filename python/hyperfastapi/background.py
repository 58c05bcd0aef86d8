from fastapi.background import *
