"""The schema of the catalogue, as the steps that led to it."""

READABLE = 5  # steps that a catalogue must have to be read: what later ones make is looked for where it is read

# The schema is the sum of these steps; PRAGMA user_version counts those taken. Append: never edit a released one.
MIGRATIONS = (
    """
    CREATE TABLE library (
        model TEXT NOT NULL, fingerprint TEXT NOT NULL, bits INTEGER NOT NULL, model_folder BLOB NOT NULL,
        created TEXT NOT NULL,
        revision BLOB NOT NULL -- random; a new one with every change of what search can find
    );
    CREATE TABLE folder (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
    CREATE TABLE fault (id INTEGER PRIMARY KEY, reason TEXT NOT NULL, remedy TEXT NOT NULL, UNIQUE (reason, remedy));
    CREATE TABLE picture (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- an id never names another picture later
        folder INTEGER NOT NULL REFERENCES folder,
        name BLOB NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        digest BLOB NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        code BLOB, -- NULL: the file has a fault
        fault INTEGER REFERENCES fault,
        vanished INTEGER, -- when the file was found missing, in ns; NULL: it is there
        UNIQUE (folder, name),
        CHECK ((code IS NULL) <> (fault IS NULL))
    );
    CREATE INDEX picture_digest ON picture (digest);
    CREATE INDEX picture_vanished ON picture (vanished) WHERE vanished IS NOT NULL;
    """,
    """
    -- when it was taken by the camera's clock, seconds since 1970; NULL: not known
    ALTER TABLE picture ADD COLUMN taken INTEGER;
    CREATE TABLE own_column ( -- what users add to the pictures
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, kind TEXT NOT NULL
    );
    CREATE TABLE own_value (
        picture INTEGER NOT NULL REFERENCES picture ON DELETE CASCADE,
        own_column INTEGER NOT NULL REFERENCES own_column ON DELETE CASCADE,
        value NOT NULL, -- text; integer or real; booleans are 0 and 1, dates seconds since 1970
        PRIMARY KEY (picture, own_column)
    ) WITHOUT ROWID;
    CREATE INDEX own_value_by_value ON own_value (own_column, value);
    """,
    """
    -- random, and never changed: which library this is, whatever folder it is in
    ALTER TABLE library ADD COLUMN creation BLOB NOT NULL DEFAULT x'';
    UPDATE library SET creation = randomblob(16);
    """,
    """
    CREATE TABLE revision ( -- the last states of the catalogue, one for each transaction; the greatest is the present
        number INTEGER PRIMARY KEY,
        name BLOB NOT NULL -- random: a copy of the catalogue that went another way has other names
    );
    INSERT INTO revision SELECT 1, revision FROM library;
    -- the revision that last changed its code, or whether search finds it
    ALTER TABLE picture ADD COLUMN changed INTEGER NOT NULL DEFAULT 1;
    CREATE INDEX picture_changed ON picture (changed);
    CREATE TABLE forgotten ( -- rows that were deleted
        picture INTEGER PRIMARY KEY, changed INTEGER NOT NULL
    );
    CREATE INDEX forgotten_changed ON forgotten (changed);
    """,
    """
    -- what the model says of a picture, a byte a value: it orders hits, and codes are fitted to it
    CREATE TABLE embedding (
        picture INTEGER PRIMARY KEY REFERENCES picture ON DELETE CASCADE, kept BLOB NOT NULL
    );
    CREATE TABLE hash_layers ( -- of the collection's own; no row: the codes are the model's
        base TEXT NOT NULL, -- the model's fingerprint; that of the codes is the library's
        head BLOB NOT NULL,
        pictures INTEGER NOT NULL -- in the collection when they were fitted
    );
    """,
    """
    -- probabilities fitted to what users say of the collection's pictures; no row: those of the model
    CREATE TABLE calibration (
        by_column TEXT NOT NULL, -- in which pictures of one kind are equal: users' own, or folder
        fingerprint TEXT NOT NULL, -- the library's at that time: other hash layers give other cosines
        slope REAL NOT NULL, shift REAL NOT NULL, pairs INTEGER NOT NULL, data TEXT NOT NULL
    );
    """,
)
