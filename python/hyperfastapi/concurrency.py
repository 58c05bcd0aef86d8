from fastapi.concurrency import *
