"""The console: server-made pages with small modules of script, no build step."""
