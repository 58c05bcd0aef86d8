from fastapi.telemetry import *
