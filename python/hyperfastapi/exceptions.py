from fastapi.exceptions import *
