//! For tests only: a real server on port 0, scripted peers and one conformance suite
