//! The async shell round the feed: sessions, subscribers, fan-out per worker, the Engine seam
