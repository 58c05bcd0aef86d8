from fastapi.security.http import *
