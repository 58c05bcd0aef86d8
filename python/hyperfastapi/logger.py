from fastapi.logger import *
