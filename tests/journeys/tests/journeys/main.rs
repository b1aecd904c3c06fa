//! Journeys through the whole system: the real processes, the real template, calls over HTTP. Every test has organizations of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and says why"
)]

mod at_once;
mod bad_input;
mod chain;
mod checks;
mod contracts;
mod disorder;
mod documents;
mod door;
mod leases;
mod limits;
mod matrix;
mod obedience;
mod operations;
mod periods;
mod policies;
mod proxy;
mod repetition;
mod samples;
mod sight;

use journeys::Answer;

/// The problem's type, without its namespace; empty where the answer is none.
fn problem(answer: &Answer) -> String {
    let json = answer.json().unwrap_or_default();
    json["type"].as_str().and_then(|kind| kind.strip_prefix("urn:doorway:problem:")).unwrap_or_default().to_owned()
}

/// How many answers had which status and problem, such as `429 quota-exceeded`.
fn tally(answers: &[Answer]) -> std::collections::BTreeMap<String, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for answer in answers {
        *counts.entry(format!("{} {}", answer.status.as_u16(), problem(answer)).trim_end().to_owned()).or_default() +=
            1;
    }
    counts
}
