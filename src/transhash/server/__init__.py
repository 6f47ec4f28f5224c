"""The web server: a REST API and a page for looking at pictures. Needs the extra `server`."""
