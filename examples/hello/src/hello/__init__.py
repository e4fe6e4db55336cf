"""A small web application with everything an operator asks for."""

__version__ = "1.0.0"
