"""Makers of small stand-ins for weight files: real names, inputs and outputs, random weights."""
