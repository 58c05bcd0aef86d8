from fastapi.params import *
