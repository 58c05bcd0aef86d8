from fastapi.security.oauth2 import *
