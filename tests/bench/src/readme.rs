//! What a measurement writes into `tests/bench/README.md`: its table, between markers.

use std::fs;

use dev::workspace;

/// Puts a text between two markers, in the place of what stood there.
pub fn write(begin: &str, end: &str, text: &str) {
    let file = workspace::root().join("tests/bench/README.md");
    let whole = fs::read_to_string(&file).unwrap();
    let (before, rest) = whole.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    fs::write(&file, format!("{before}{begin}{text}{end}{after}")).unwrap();
}

/// Says of how many runs the numbers are, and on how many cores.
pub fn medians(times: usize) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("Medians of {times} runs on {cores} cores.")
}
