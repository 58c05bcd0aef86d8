from fastapi.testclient import *
