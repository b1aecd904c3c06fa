//! What `cargo dev`, `cargo ci` and the end-to-end tests share: where things are, how the functions are built, and the demo.
//!
//! The demo is made over HTTP by [`seed::demo`], like any user would, so that it is one more test of the whole.

pub mod client;
pub mod demo;
pub mod seed;
pub mod tools;
pub mod workspace;

use std::io::Write as _;

/// Prints a line. A closed pipe is not worth a crash.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _shown = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints a line where errors go.
pub fn complain(line: &str) {
    let _shown = writeln!(std::io::stderr(), "{line}");
}
