from fastapi.middleware.httpsredirect import *
