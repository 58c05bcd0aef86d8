from fastapi.staticfiles import *
