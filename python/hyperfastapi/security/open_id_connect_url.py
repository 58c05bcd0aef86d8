from fastapi.security.open_id_connect_url import *
