//! How the calls of an API's operations went: status classes, and how long they took. The gateway's sandboxes write absolute counts
//! by hour, so the newest row of a sandbox and hour wins, and the rows of all sandboxes are added up when somebody asks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::id::OrganizationId;
use shared::meter::{TIMED, Timed, TimedImage};

use crate::domain::NotUnderstood;

/// An operation by its numbers: version, operation.
pub type Numbers = (u32, u32);

/// What one sandbox counted of some operations of a version in one hour.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timings {
    /// The UTC hour.
    pub hour: i64,
    /// The version's number.
    pub version: u32,
    /// By the operation's number.
    pub o: BTreeMap<String, Timed>,
    /// All calls. Counts only grow, so the largest is the newest.
    pub revision: u64,
}

/// Where a row of timings stands: its partition, and what its sort key says beside the hour.
pub type Place = (String, String);

/// Reads a row of the gateway's.
pub fn read(image: TimedImage) -> Result<(Place, Timings), NotUnderstood> {
    let (hour, version, rest) = keys(&image).ok_or_else(|| NotUnderstood(format!("the key `{}`", image.sk)))?;
    let rest = rest.to_owned();
    let mut revision = 0_u64;
    for (operation, timed) in &image.o {
        let numbers = timed.t.keys().chain(timed.u.keys()).chain([operation]);
        for name in numbers {
            name.parse::<u32>().map_err(|_| NotUnderstood(format!("the number `{name}`")))?;
        }
        revision = timed.c.values().fold(revision, |sum, count| sum.saturating_add(*count));
    }
    Ok(((image.pk, rest), Timings { hour, version, o: image.o, revision }))
}

/// Hour and version, and the sort key after the hour.
fn keys(image: &TimedImage) -> Option<(i64, u32, &str)> {
    let (organization, api) = image.pk.strip_prefix(TIMED)?.split_once('#')?;
    organization.parse::<OrganizationId>().ok()?;
    api.parse::<u32>().ok()?;
    let (hour, rest) = image.sk.strip_prefix(TIMED)?.split_once('#')?;
    Some((hour.parse().ok()?, rest.split_once('.')?.0.parse().ok()?, rest))
}

/// Calls by how long they took: by the end of a bucket, in milliseconds.
pub type Histogram = BTreeMap<u32, u64>;

/// How calls went, added up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// By the class of their status.
    pub classes: BTreeMap<String, u64>,
    /// How long they were in the door.
    pub whole: Histogram,
    /// How long the upstream took.
    pub upstream: Histogram,
}

impl Figures {
    fn add(&mut self, timed: &Timed) {
        for (class, count) in &timed.c {
            let sum = self.classes.entry(class.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        for (into, from) in [(&mut self.whole, &timed.t), (&mut self.upstream, &timed.u)] {
            for (end, count) in from.iter().filter_map(|(end, count)| Some((end.parse().ok()?, count))) {
                let sum = into.entry(end).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
    }

    /// Calls with a status of a class (`2` to `5`), or refused ones (`r`).
    #[must_use]
    pub fn count(&self, class: &str) -> u64 {
        self.classes.get(class).copied().unwrap_or_default()
    }

    /// The share of calls that failed among those that were not refused, from 0 to 1; none if there was none.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        let calls = ["2", "3", "4", "5"].iter().map(|class| self.count(class)).fold(0, u64::saturating_add);
        // Counts of an hour's calls are far below what a double holds exactly.
        #[allow(clippy::cast_precision_loss)]
        (calls > 0).then(|| self.count("5") as f64 / calls as f64)
    }
}

/// What so many of a hundred calls took at most: the end of the bucket that the slowest of them is in; none without calls.
#[must_use]
pub fn percentile_ms(histogram: &Histogram, percent: u64) -> Option<u32> {
    let all = histogram.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let rank = all.saturating_mul(percent).div_ceil(100).max(1);
    let mut passed = 0_u64;
    histogram.iter().find_map(|(end, count)| {
        passed = passed.saturating_add(*count);
        (passed >= rank).then_some(*end)
    })
}

/// An operation's figures.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Operation {
    /// All hours together.
    pub total: Figures,
    /// By UTC hour.
    pub by_hour: BTreeMap<i64, Figures>,
}

/// Adds up rows, of the operations that are `wanted`.
#[must_use]
pub fn sum(rows: &[Timings], wanted: impl Fn(Numbers) -> bool) -> BTreeMap<Numbers, Operation> {
    let mut operations: BTreeMap<Numbers, Operation> = BTreeMap::new();
    for row in rows {
        for (n, timed) in row.o.iter().filter_map(|(n, timed)| Some((n.parse().ok()?, timed))) {
            let numbers = (row.version, n);
            if wanted(numbers) {
                let operation = operations.entry(numbers).or_default();
                operation.total.add(timed);
                operation.by_hour.entry(row.hour).or_default().add(timed);
            }
        }
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_end_of_the_bucket_that_the_slowest_of_them_is_in() {
        let histogram = Histogram::from([(1, 50), (8, 40), (20, 9), (1_024, 1)]);
        let told = |percent| percentile_ms(&histogram, percent);
        assert_eq!(
            [0, 50, 51, 90, 91, 99, 100].map(told),
            [Some(1), Some(1), Some(8), Some(8), Some(20), Some(20), Some(1_024)]
        );
        assert_eq!(percentile_ms(&Histogram::from([(5, 1)]), 99), Some(5));
        assert_eq!(percentile_ms(&Histogram::new(), 50), None);
    }

    #[test]
    fn refused_calls_make_no_error_rate_better() {
        let classes = |counts: &[(&str, u64)]| counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let rate = |counts| Figures { classes: classes(counts), ..Figures::default() }.error_rate();
        assert_eq!(rate(&[("2", 2), ("3", 1), ("4", 4), ("5", 1), ("r", 92)]), Some(0.125));
        assert_eq!(rate(&[("r", 3)]), None);
    }

    #[test]
    fn a_row_that_is_not_understood_says_what() {
        let own = "L#org_01h455vb4pex5vsknk084sn02p#1";
        let read = |pk: &str, sk: &str, operation: &str, end: &str| {
            let timed = Timed { c: [("2".into(), 2)].into(), t: [(end.into(), 2)].into(), u: BTreeMap::new() };
            read(TimedImage { pk: pk.into(), sk: sk.into(), o: [(operation.into(), timed)].into() })
        };
        let (place, timings) = read(own, "L#491098#2.0#w", "7", "20").unwrap();
        assert_eq!(place, (own.to_owned(), "2.0#w".to_owned()));
        assert_eq!((timings.hour, timings.version, timings.revision), (491_098, 2, 2));
        for (pk, sk, operation, end) in [
            ("L#acme#1", "L#491098#2.0#w", "7", "20"),
            ("L#org_01h455vb4pex5vsknk084sn02p", "L#491098#2.0#w", "7", "20"),
            (own, "L#x#2.0#w", "7", "20"),
            (own, "L#491098#w", "7", "20"),
            (own, "L#491098#2.0#w", "x", "20"),
            (own, "L#491098#2.0#w", "7", "x"),
        ] {
            assert!(read(pk, sk, operation, end).is_err(), "{pk} {sk} {operation} {end}");
        }
    }
}
