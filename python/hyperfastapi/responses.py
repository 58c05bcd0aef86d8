from fastapi.responses import *
