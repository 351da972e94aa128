"""What install.py does, with nothing but the standard library, on any system."""
