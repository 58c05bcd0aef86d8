from fastapi.utils import *
