from fastapi.encoders import *
