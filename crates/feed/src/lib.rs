//! The pure core of tricast: names, events, cursors, the log, rooms and reasons
