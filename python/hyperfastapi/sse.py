from fastapi.sse import *
