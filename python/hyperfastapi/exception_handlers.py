from fastapi.exception_handlers import *
