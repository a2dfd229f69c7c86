"""WHAT IS ASKED of a reviewer beside yes or no: choices, a form, changes to the payload. Pure."""
