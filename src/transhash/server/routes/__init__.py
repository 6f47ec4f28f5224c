"""The REST API, version 1: a router for each part of it."""

from __future__ import annotations

from transhash.server.routes import duplicates, library, pictures, search

routers = [part.router for part in (search, pictures, duplicates, library)]
