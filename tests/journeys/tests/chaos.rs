//! A short run of `cargo chaos`, so that every change meets it.
#![allow(clippy::panic, reason = "a test that cannot go on has failed, and says why")]

use journeys::{Settings, alone, chaos};

#[test]
fn whatever_goes_wrong_the_ledger_adds_up() {
    let settings = Settings { instances_max: 6, upstream_timeout_ms: 18_000, ..Settings::default() };
    alone(settings, async |platform| {
        let ledger = chaos::run(platform, chaos::Wish { calls: 2_000, seed: 20, callers: 6 }).await;
        assert!(ledger.broken().is_empty(), "{ledger}");
        // Nothing holds so easily as what did not happen.
        assert!(ledger.reached() > 500 && ledger.killed() > 5, "{ledger}");
    });
}
