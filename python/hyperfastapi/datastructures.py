from fastapi.datastructures import *
