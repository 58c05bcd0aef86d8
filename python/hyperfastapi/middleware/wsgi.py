from fastapi.middleware.wsgi import *
