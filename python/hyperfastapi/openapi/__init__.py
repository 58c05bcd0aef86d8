from fastapi.openapi import *
