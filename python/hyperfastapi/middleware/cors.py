from fastapi.middleware.cors import *
