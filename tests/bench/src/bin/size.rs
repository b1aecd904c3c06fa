//! The sizes of the binaries against those that are written down: `cargo bench-size`, and `cargo bench-size --accept` after a growth that is meant.
//!
//! Only the functions that stand in `tests/bench/sizes.txt` are built: the door, whose start is promised, and the one with the most crates of its own. All eight would
//! take a checker of pull requests too long, and what makes one grow is nearly always `shared` or a dependency of all.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has failed, and says why"
)]

use std::fs;
use std::process::ExitCode;

use bench::figures::{GROWTH_PERCENT_MAX, is_grown, megabytes, table};
use dev::say;
use dev::workspace::{self, Profile};

fn main() -> ExitCode {
    let file = workspace::root().join("tests/bench/sizes.txt");
    let written = fs::read_to_string(&file).unwrap();
    let known: Vec<(&str, u64)> = written
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, bytes)| (name, bytes.trim().parse().unwrap()))
        .collect();
    let binaries = workspace::build_some(Profile::Release, known.iter().map(|(name, _)| (*name).to_owned())).unwrap();
    let (mut rows, mut grown, mut now) = (Vec::new(), Vec::new(), written.clone());
    for (name, before) in known {
        let bytes = fs::metadata(binaries.join(name)).unwrap().len();
        now = now.replace(&format!("{name} {before}"), &format!("{name} {bytes}"));
        if is_grown(before, bytes) {
            grown.push(name);
        }
        rows.push(vec![name.to_owned(), format!("{:.3}", megabytes(before)), format!("{:.3}", megabytes(bytes))]);
    }
    say(&table(&["function", "written down, MB", "now, MB"], &rows));
    if std::env::args().any(|argument| argument == "--accept") {
        fs::write(&file, now).unwrap();
        return ExitCode::SUCCESS;
    }
    if grown.is_empty() {
        return ExitCode::SUCCESS;
    }
    say(&format!(
        "{} grew by more than {GROWTH_PERCENT_MAX} %. `cargo tree -e features` and `cargo bloat --release --crates` tell by what. If it is meant: `cargo bench-size --accept`, and commit tests/bench/sizes.txt.",
        grown.join(" and ")
    ));
    ExitCode::FAILURE
}
