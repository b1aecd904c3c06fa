//! How the calls of every operation went: status classes, and how long they took. Telemetry, not money: counted aside and written in
//! batches, like refused calls, for `usage` to read from the stream.
//!
//! By API and operation, not by subscription: in one batch a sandbox serves few APIs and perhaps as many subscriptions as calls, and a
//! row for each of these would cost the second write that the door does not pay.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use shared::chassis::table::StoreError;
use shared::id::OrganizationId;
use shared::meter::Timed;
use shared::time::Time;

use crate::aside::{Aside, Batch};
use crate::store::Store;

/// Longer than that of refused calls: also a sandbox that is seldom called shall write once for many calls.
const BATCH_MS: i64 = 60_000;
/// So many operations stand in one row, so that those that are called do not pay for very many others.
const PART: u32 = 64;

/// Operations whose timings stand in one row.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Part {
    /// Who offers the API.
    pub organization: OrganizationId,
    /// The API's number within its organization.
    pub api: u32,
    /// The version's number within its API.
    pub version: u32,
    row: u32,
}

impl Part {
    /// Where an operation stands, by its numbers.
    #[must_use]
    pub fn of(organization: OrganizationId, api: u32, version: u32, operation: u32) -> Self {
        Self { organization, api, version, row: operation / PART }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.version, self.row)
    }
}

/// How one call went.
#[derive(Clone, Copy, Debug)]
pub struct Went {
    /// Whether it was admitted.
    pub admitted: bool,
    /// What was answered.
    pub status: StatusCode,
    /// How long it was in the door.
    pub whole: Duration,
    /// How long the upstream took, with a retry; none when it was not called.
    pub upstream: Option<Duration>,
}

/// This sandbox's timings, by the operation's number.
#[derive(Debug, Default)]
pub struct Timings(Aside<Part, BTreeMap<String, Timed>>);

impl Timings {
    /// Counts a call of an operation.
    pub fn count(&self, part: Part, operation: u32, went: Went, now: Time) {
        self.0.count(part, now, |row| add(row.entry(operation.to_string()).or_default(), went));
    }

    /// Whether the batch is due.
    pub fn due(&self, now: Time) -> bool {
        self.0.due(BATCH_MS, now)
    }

    /// Writes what was not written yet. What cannot be written now stays for the next time, also when nobody waits for the end.
    pub async fn write(&self, store: &Store, writer: &str) -> Result<(), StoreError> {
        let _turn = self.0.turn().await;
        let Some(Batch { rows, now }) = self.0.take() else { return Ok(()) };
        let mut result = Ok(());
        for (row, operations) in rows {
            match store.put_timings(&row.0, row.1, writer, &operations, now).await {
                Ok(()) => self.0.written(&row, &operations),
                Err(error) => result = Err(error),
            }
        }
        self.0.forget(now);
        result
    }
}

fn add(timed: &mut Timed, went: Went) {
    let refused = !went.admitted && !went.status.is_server_error();
    let class = if refused { "r".to_owned() } else { (went.status.as_u16() / 100).to_string() };
    *timed.c.entry(class).or_default() += 1;
    // A refusal is quick, and would make the calls look so.
    if !refused {
        *timed.t.entry(bucket_ms(went.whole).to_string()).or_default() += 1;
    }
    if let Some(upstream) = went.upstream {
        *timed.u.entry(bucket_ms(upstream).to_string()).or_default() += 1;
    }
}

/// The end of the bucket that a duration falls in, in milliseconds: up to 8 every one, beyond that four in every power of two (10,
/// 12, 14, 16, 20, …), so that none is more than a quarter longer than its beginning.
fn bucket_ms(duration: Duration) -> u64 {
    let ms = u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
    let step = 1_u64 << (u64::BITS - (ms - 1).leading_zeros()).saturating_sub(3);
    ms.div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_at_the_duration_or_at_most_a_quarter_later() {
        let ends: Vec<u64> =
            [0, 1, 999, 1_000, 1_001, 7_200, 8_000, 8_001, 11_000, 16_001, 100_000, 1_000_000, 28_000_000]
                .map(|us| bucket_ms(Duration::from_micros(us)))
                .into();
        assert_eq!(ends, [1, 1, 1, 1, 2, 8, 8, 10, 12, 20, 112, 1_024, 28_672]);
        for ms in 1..40_000 {
            let end = bucket_ms(Duration::from_millis(ms));
            assert!(end >= ms && (end - ms) * 4 < ms, "{ms} ends at {end}");
            assert_eq!(bucket_ms(Duration::from_millis(end)), end, "an end is its own bucket's");
        }
        let all: std::collections::BTreeSet<u64> = (1..30_000).map(|ms| bucket_ms(Duration::from_millis(ms))).collect();
        assert_eq!(all.len(), 56);
    }

    #[test]
    fn a_refusal_is_neither_an_error_nor_quick() {
        let (ms, mut timed) = (Duration::from_millis, Timed::default());
        let went = |admitted, status: u16, upstream| Went {
            admitted,
            status: StatusCode::from_u16(status).unwrap(),
            whole: ms(20),
            upstream,
        };
        for went in [
            went(true, 200, Some(ms(9))),
            went(true, 404, Some(ms(9))),
            went(true, 302, Some(ms(5))),
            went(true, 502, Some(ms(30))),
            // The door is closed, or leaves the upstream alone.
            went(false, 503, None),
            went(false, 429, None),
            went(false, 413, None),
        ] {
            add(&mut timed, went);
        }
        let counts = |counts: &[(&str, u64)]| counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        assert_eq!(timed.c, counts(&[("2", 1), ("3", 1), ("4", 1), ("5", 2), ("r", 2)]));
        assert_eq!(timed.t, counts(&[("20", 5)]));
        assert_eq!(timed.u, counts(&[("10", 2), ("5", 1), ("32", 1)]));
    }
}
