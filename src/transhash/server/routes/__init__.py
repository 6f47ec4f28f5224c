"""The REST API, version 1: a router for each part of it."""

from __future__ import annotations

from transhash.server.routes import collection, described, duplicates, joining, library, pictures, search, state

routers = [part.router for part in (search, described, joining, pictures, duplicates, library, state)]  # of a library
collection_routers = [part.router for part in (search, collection, state)]  # of a collection on another machine
