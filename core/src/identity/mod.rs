//! Keys, peer ids, and their formats.
