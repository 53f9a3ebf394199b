"""The door for merchants and operators: its own application on its own port."""
