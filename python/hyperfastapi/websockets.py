from fastapi.websockets import *
