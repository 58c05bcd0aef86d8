from fastapi.templating import *
