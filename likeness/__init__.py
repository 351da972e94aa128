"""Portraits of one real person: the library behind the nodes. No ComfyUI inside."""
