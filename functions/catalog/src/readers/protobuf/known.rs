//! The types that every compiler or most APIs bring along, so that an upload need not have them: Google's well-known and common types, and the options of
//! a few tools.
//!
//! `known.txt` says of each what it must say to be used: names, numbers and types, and nothing else. Options by which tools steer their own work are
//! known by name; what is in them is read as it is written.

use std::sync::LazyLock;

use foldhash::HashMap;

/// The declarations of a file by its path.
pub(super) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    static FILES: LazyLock<HashMap<&str, &str>> =
        LazyLock::new(|| include_str!("known.txt").split("==> ").filter_map(|part| part.split_once('\n')).collect());
    FILES.get_key_value(path).map(|(path, text)| (*path, *text))
}

/// What a path in an upload may be called by those who import it: the folders before it are the upload's own.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.split_once('/').map(|(_, rest)| rest))
}
