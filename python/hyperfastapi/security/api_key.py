from fastapi.security.api_key import *
