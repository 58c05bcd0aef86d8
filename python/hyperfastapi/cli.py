from fastapi.cli import *
