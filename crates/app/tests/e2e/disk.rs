//! A full disk: what was committed stays, what was not is gone on with when there is room.
