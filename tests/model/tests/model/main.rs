//! The model-based test of admission: the gateway's own loops and expressions on a real table, by several sandboxes at once,
//! while answers are lost, requests arrive late, sandboxes are killed and frozen, limits change and hours turn; judged after
//! every write and every answer by a reference that knows nothing of how it is done.
//!
//! `PROPTEST_CASES` sets how many cases are played. A case that fails is made smaller and printed as a script.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // It is all tests.

mod known;
mod meter;
mod play;
mod scale;
mod script;
mod table;
mod truth;

use proptest::test_runner::{Config, TestError, TestRunner};

use crate::play::{ACTORS, play};
use crate::script::scripts;
use crate::table::Base;

/// Cases when nobody says how many.
const CASES: u32 = 80;
/// The cases are played side by side, because most of a case's time is spent in pauses.
const THREADS: u32 = 4;
/// How long a case that fails is made smaller.
const SHRINK_MS: u32 = 30_000;

#[test]
fn whatever_happens_no_call_is_counted_wrongly_and_no_limit_is_passed() {
    play_all(false);
}

#[test]
fn with_leases_too_no_call_is_counted_wrongly_and_no_limit_is_passed() {
    play_all(true);
}

fn play_all(leased: bool) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| run(cases.div_ceil(THREADS), leased));
        }
    });
}

fn run(cases: u32, leased: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let base = Base::new(ACTORS);
    let config = Config { cases, failure_persistence: None, max_shrink_time: SHRINK_MS, ..Config::default() };
    let result = TestRunner::new(config).run(&scripts(leased), |script| runtime.block_on(play(&base, &script)));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, script)) => panic!("{reason}\n{script}"),
        Err(error) => panic!("{error}"),
    }
}
