//! The comparison of contracts: `cargo bench-contracts`, with `--times 5` and `--write` to put the table into the README; `--alone`, `--http` and `--check` measure
//! a part only.
//!
//! - [`alone`]: the engine on two surfaces, and from documents to a report in one process, beside other engines; every run is a process of its own.
//! - [`http`]: a comparison over HTTP, through the functions `contracts` and `catalog` on the local cloud.
//! - [`check`]: a check of a document with 10,000 callers, through `contracts`, `catalog` and `usage`.
//!
//! Engine and functions are built as they are deployed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has failed, and says why"
)]

mod alone;
mod callers;
mod check;
mod http;
mod served;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use bench::figures::{Promise, judge, megabytes, table};
use bench::{documents, readme};
use dev::say;
use dev::workspace::{self, Profile};

const BEGIN: &str = "<!-- the table of cargo bench-contracts -->\n";
const END: &str = "<!-- the end of bench-contracts -->";

/// A row of the table.
pub(crate) struct Figure {
    /// What was done with which document.
    what: String,
    /// By whom.
    by: String,
    /// How long it took, and how long it may take.
    time: Option<(Duration, Option<f64>)>,
    /// Peak memory in MB, and how much it may be.
    memory: Option<(f64, Option<f64>)>,
}

impl Figure {
    /// Somebody else's, or of what nothing is promised.
    pub(crate) fn plain(what: &str, by: &str, time: Duration, memory_bytes: u64) -> Self {
        let memory = (memory_bytes > 0).then(|| (megabytes(memory_bytes), None));
        Self { what: what.to_owned(), by: by.to_owned(), time: Some((time, None)), memory }
    }

    /// Ours.
    pub(crate) fn ours(what: &str, time: Duration, time_s_max: f64) -> Self {
        Self { what: what.to_owned(), by: "ours".to_owned(), time: Some((time, Some(time_s_max))), memory: None }
    }

    /// Memory of one of our functions, in whatever was measured above.
    pub(crate) fn of_function(what: &str, function: &str, memory_bytes: u64, mb_max: f64) -> Self {
        let memory = Some((megabytes(memory_bytes), Some(mb_max)));
        Self { what: what.to_owned(), by: format!("ours, `{function}`"), time: None, memory }
    }

    /// With memory, and how much it may be.
    pub(crate) fn memory(mut self, bytes: u64, mb_max: Option<f64>) -> Self {
        self.memory = Some((megabytes(bytes), mb_max));
        self
    }

    fn promises(&self) -> Vec<Promise> {
        let time = self.time.and_then(|(time, most)| Some((time.as_secs_f64(), most?)));
        let time = time.map(|(time, most)| Promise::at_most(&format!("{}, s", self.what), time, most));
        let memory = self.memory.and_then(|(memory, most)| Some((memory, most?)));
        let what = if self.by == "ours" { self.what.clone() } else { format!("{}: {}", self.what, self.by) };
        let memory = memory.map(|(memory, most)| Promise::at_most(&format!("{what}, MB"), memory, most));
        time.into_iter().chain(memory).collect()
    }

    fn cells(&self) -> Vec<String> {
        let promises = self.promises();
        let holds = match promises.iter().all(|promise| promise.holds) {
            _ if promises.is_empty() => "",
            true => "yes",
            false => "NO",
        };
        let time = self.time.map(|(time, most)| (format!("{:.3}", time.as_secs_f64()), most));
        let memory = self.memory.map(|(memory, most)| (format!("{memory:.1}"), most));
        let number = |cell: &Option<(String, Option<f64>)>| cell.clone().map(|(text, _)| text).unwrap_or_default();
        let most = |cell: &Option<(String, Option<f64>)>| {
            cell.as_ref().and_then(|(_, most)| *most).map(|most| most.to_string()).unwrap_or_default()
        };
        vec![
            self.what.clone(),
            self.by.clone(),
            number(&time),
            most(&time),
            number(&memory),
            most(&memory),
            holds.to_owned(),
        ]
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == alone::MEASURE) {
        alone::measure(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    let times =
        arguments.iter().position(|argument| argument == "--times").map_or(5, |at| arguments[at + 1].parse().unwrap());
    let parts = ["--alone", "--http", "--check"].map(|part| arguments.iter().any(|argument| argument == part));
    let [alone, http, check] = if parts.contains(&true) { parts } else { [true; 3] };
    if !documents::are_there() {
        say("skipped: the documents of the corpora, which are absent; documents of ours stand for them");
    }
    let served = if http || check {
        let binaries = workspace::build(Profile::Release).unwrap_or_else(|error| panic!("{error}"));
        // First, because it takes minutes until all callers are there, and a machine need not be quiet before.
        let checked = if check { check::figures(&binaries, times) } else { Vec::new() };
        let compared = if http { http::figures(&binaries, times) } else { Vec::new() };
        compared.into_iter().chain(checked).collect()
    } else {
        Vec::new()
    };
    let mut figures = if alone { alone::figures(times) } else { Vec::new() };
    figures.extend(served);
    let head = ["what", "by", "seconds", "at most", "peak memory, MB", "at most", "holds"];
    let table = table(&head, &figures.iter().map(Figure::cells).collect::<Vec<_>>());
    say(&format!("\n{table}"));
    if arguments.iter().any(|argument| argument == "--write") {
        readme::write(BEGIN, END, &format!("{}\n\n{table}", readme::medians(times)));
    }
    let promises: Vec<Promise> = figures.iter().flat_map(Figure::promises).collect();
    if judge(&promises) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
