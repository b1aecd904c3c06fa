//! What this sandbox knows of the health of upstreams: a circuit breaker and a budget of retries for each API's upstream.
//!
//! An upstream is an API's: what another provider does to the same host is no business of this one. Time is the requests'.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::id::ApiId;
use shared::time::Time;

/// So many calls in a row that reached nobody, or waited in vain, open the breaker.
const FAILURES_MAX: u32 = 5;
/// The first pause, in milliseconds. It doubles with every call that tries in vain after a pause, up to the longest.
const PAUSE_MS: i64 = 5_000;
const PAUSE_MS_MAX: i64 = 60_000;
/// A retry costs as much as ten calls earn, so that retries are a tenth of the calls; one is there from the beginning, and
/// no more than ten are saved up.
const RETRY_COST: u32 = 10;
const EARNED_MAX: u32 = 10 * RETRY_COST;
/// How many upstreams are known; beyond, all are forgotten.
const KNOWN_MAX: usize = 10_000;

/// The upstreams that this sandbox called.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<HashMap<ApiId, Upstream>>);

#[derive(Debug)]
struct Upstream {
    url: String,
    /// Failures since the last answer.
    failures: u32,
    closed_until_ms: i64,
    pause_ms: i64,
    /// Whether a call tries after a pause.
    is_tried: bool,
    earned: u32,
}

impl Upstream {
    fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            failures: 0,
            closed_until_ms: 0,
            pause_ms: PAUSE_MS,
            is_tried: false,
            earned: RETRY_COST,
        }
    }
}

impl Health {
    fn known(&self) -> MutexGuard<'_, HashMap<ApiId, Upstream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an API's upstream may be called; otherwise how many milliseconds to wait. After a pause one call may try,
    /// and the others wait for another pause, or for its success.
    pub(crate) fn judge(&self, api: ApiId, url: &str, now: Time) -> Result<(), i64> {
        let mut known = self.known();
        let Some(upstream) = known.get_mut(&api).filter(|upstream| upstream.url == url) else { return Ok(()) };
        if upstream.failures < FAILURES_MAX {
            return Ok(());
        }
        let wait_ms = upstream.closed_until_ms - now.ms();
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        upstream.closed_until_ms = now.ms() + upstream.pause_ms;
        upstream.is_tried = true;
        Ok(())
    }

    /// Counts a call that is about to be made, and earns its share of a retry.
    pub(crate) fn count(&self, api: ApiId, url: &str) {
        let mut known = self.known();
        if known.len() >= KNOWN_MAX && !known.contains_key(&api) {
            known.clear();
        }
        let upstream = known.entry(api).or_insert_with(|| Upstream::new(url));
        if upstream.url != url {
            *upstream = Upstream::new(url);
        }
        upstream.earned = (upstream.earned + 1).min(EARNED_MAX);
    }

    /// Whether a call may be tried once more, and takes that from the budget.
    pub(crate) fn retry(&self, api: ApiId) -> bool {
        let mut known = self.known();
        let Some(upstream) = known.get_mut(&api).filter(|upstream| upstream.earned >= RETRY_COST) else { return false };
        upstream.earned -= RETRY_COST;
        true
    }

    /// What came of a call, and when it ended.
    pub(crate) fn settle(&self, api: ApiId, away: bool, ended: Time) {
        let mut known = self.known();
        let Some(upstream) = known.get_mut(&api) else { return };
        if !away {
            *upstream = Upstream { earned: upstream.earned, ..Upstream::new(&upstream.url) };
            return;
        }
        upstream.failures = upstream.failures.saturating_add(1);
        // Calls that were in progress when it opened, or are while one tries, say nothing new.
        if upstream.failures == FAILURES_MAX || std::mem::take(&mut upstream.is_tried) {
            upstream.closed_until_ms = ended.ms() + upstream.pause_ms;
            upstream.pause_ms = (upstream.pause_ms * 2).min(PAUSE_MS_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://a.example";

    fn at(ms: i64) -> Time {
        Time::from_ms(1_800_000_000_000 + ms)
    }

    fn fails(health: &Health, api: ApiId, times: u32, ms: i64) {
        for _ in 0..times {
            health.count(api, URL);
            health.settle(api, true, at(ms));
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_answer_closes_it() {
        let (health, api, other) = (Health::default(), ApiId::new(), ApiId::new());
        fails(&health, api, FAILURES_MAX - 1, 0);
        health.settle(api, false, at(0));
        fails(&health, api, FAILURES_MAX - 1, 0);
        assert_eq!(health.judge(api, URL, at(0)), Ok(()), "not in a row");
        fails(&health, api, 1, 0);
        assert_eq!(health.judge(api, URL, at(1)), Err(4_999));
        assert_eq!(health.judge(other, URL, at(1)), Ok(()), "another API at the same address");
        assert_eq!(health.judge(api, "http://b.example", at(1)), Ok(()), "another address of the same API");

        assert_eq!(health.judge(api, URL, at(5_000)), Ok(()), "one may try");
        assert_eq!(health.judge(api, URL, at(5_001)), Err(9_999), "the others wait for it");
        health.settle(api, true, at(8_000));
        assert_eq!(health.judge(api, URL, at(8_000)), Err(10_000), "twice as long");
        assert_eq!(health.judge(api, URL, at(18_000)), Ok(()));
        health.settle(api, false, at(18_100));
        assert_eq!(health.judge(api, URL, at(18_100)), Ok(()));
        fails(&health, api, FAILURES_MAX, 20_000);
        assert_eq!(health.judge(api, URL, at(20_000)), Err(5_000), "the pause begins anew");
    }

    #[test]
    fn a_call_that_never_told_how_it_went_does_not_close_the_way_for_ever() {
        let (health, api) = (Health::default(), ApiId::new());
        fails(&health, api, FAILURES_MAX, 0);
        let pause = 2 * PAUSE_MS;
        assert_eq!(health.judge(api, URL, at(PAUSE_MS)), Ok(()));
        assert_eq!(health.judge(api, URL, at(PAUSE_MS + pause - 1)), Err(1));
        assert_eq!(health.judge(api, URL, at(PAUSE_MS + pause)), Ok(()));
        let mut now_ms = PAUSE_MS + pause;
        for _ in 0..5 {
            fails(&health, api, 1, now_ms);
            now_ms += PAUSE_MS_MAX;
            assert_eq!(health.judge(api, URL, at(now_ms)), Ok(()));
        }
        fails(&health, api, 1, now_ms);
        assert_eq!(health.judge(api, URL, at(now_ms)), Err(PAUSE_MS_MAX), "and no pause is longer than this");
    }

    #[test]
    fn calls_that_were_in_progress_when_it_opened_do_not_make_the_pause_longer() {
        let (health, api) = (Health::default(), ApiId::new());
        fails(&health, api, 4 * FAILURES_MAX, 0);
        assert_eq!(health.judge(api, URL, at(1)), Err(PAUSE_MS - 1));
        assert_eq!(health.judge(api, URL, at(PAUSE_MS)), Ok(()), "one may try");
        fails(&health, api, FAILURES_MAX, PAUSE_MS);
        assert_eq!(health.judge(api, URL, at(PAUSE_MS)), Err(2 * PAUSE_MS), "of those that end meanwhile, one counts");
    }

    #[test]
    fn retries_are_a_tenth_of_the_calls() {
        let (health, api) = (Health::default(), ApiId::new());
        assert!(!health.retry(api), "nothing was called");
        let mut retries = 0;
        for _ in 0..1_000 {
            health.count(api, URL);
            retries += u32::from(health.retry(api));
        }
        assert_eq!(retries, 101, "and the one from the beginning");
        for _ in 0..1_000 {
            health.count(api, URL);
        }
        assert_eq!((0..1_000).filter(|_| health.retry(api)).count(), 10, "what is saved up");
    }
}
