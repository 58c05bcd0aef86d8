from fastapi.middleware.trustedhost import *
