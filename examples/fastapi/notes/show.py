"""Another process of the image: prints what the API offers."""

from .main import app

if __name__ == "__main__":
    for route in app.openapi()["paths"]:
        print(route)
