//! The meter: what the gateway's grant item says of the calls it admitted, read by `usage` from the gateway's stream.
//!
//! This is the one row image that crosses a function's boundary. Counters only ever grow within a bucket; every write of
//! the item raises `v`, so the image with the highest `v` of a bucket is the whole truth about that bucket.

use std::collections::BTreeMap;

/// The sort key of a grant item.
pub const GRANT_SK: &str = "G";
/// The beginning of the sort key of a row of refused calls: `R#{hour}#{writer}`.
pub const REFUSED_SK: &str = "R#";

/// The beginning of both keys of a row of timings, see [`TimedImage`].
pub const TIMED: &str = "L#";

/// What a counter counts: calls of an operation with a key. As an attribute's name `{key}.{api}.{version}.{operation}`, all
/// small numbers, because names are stored and billed with every write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct Counter {
    /// The key's number within its subscription.
    pub key: u32,
    /// The API's number within its organization.
    pub api: u32,
    /// The version's number within its API.
    pub version: u32,
    /// The operation's number within the version's routes.
    pub operation: u32,
}

impl std::fmt::Display for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}.{}", self.key, self.api, self.version, self.operation)
    }
}

/// A text that is not a counter's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not the name of a counter")]
pub struct NotACounter;

impl std::str::FromStr for Counter {
    type Err = NotACounter;

    fn from_str(text: &str) -> Result<Self, NotACounter> {
        let mut parts = text.split('.').map(|part| part.parse().map_err(|_| NotACounter));
        let mut next = || parts.next().unwrap_or(Err(NotACounter));
        let counter = Self { key: next()?, api: next()?, version: next()?, operation: next()? };
        if parts.next().is_some() { Err(NotACounter) } else { Ok(counter) }
    }
}

/// A grant's image, as far as the meter is concerned. The names are the item's attributes.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct GrantImage {
    /// The subscription's id.
    pub pk: String,
    /// Raised by one with every write of the item.
    pub v: u64,
    /// The bucket's number: raised by one at every turn.
    pub b: u64,
    /// The UTC hour that the bucket counts, in hours since 1970.
    pub bh: i64,
    /// The version of the image that the bucket began with; 0 in buckets that began before this was kept.
    #[serde(default)]
    pub bv: u64,
    /// The revision of the terms under which the bucket's calls were admitted.
    pub pr: u64,
    /// Calls admitted and counted in this bucket, by [`Counter`]; with a `-` at the name's end, those that were admitted in an
    /// earlier month.
    #[serde(default)]
    pub c: BTreeMap<String, u64>,
    /// Calls given back in this bucket, by [`Counter`]; with a `-` as in `c`.
    #[serde(default)]
    pub f: BTreeMap<String, u64>,
    /// Units admitted in periods that are not sealed yet, by [`period_key`].
    #[serde(default)]
    pub p: BTreeMap<String, u64>,
    /// Units given back of those, by the period and the terms that they were admitted under.
    #[serde(default)]
    pub q: BTreeMap<String, u64>,
    /// Units ever admitted.
    pub la: u64,
    /// Units ever given back.
    pub lf: u64,
}

/// The name of a period's units under one revision of the terms: `{hour of the month's beginning}.{revision}`.
#[must_use]
pub fn period_key(hour: i64, revision: u64) -> String {
    format!("{}.{revision}", crate::time::Time::of_hour(hour).month().0.hour())
}

/// A [`period_key`] taken apart: the hour of the month's beginning, and the revision of the terms.
#[must_use]
pub fn read_period_key(key: &str) -> Option<(i64, u64)> {
    let (hour, revision) = key.split_once('.')?;
    Some((hour.parse().ok()?, revision.parse().ok()?))
}

/// A row of refused calls: how many one sandbox refused for one grant in one hour. Absolute counts, so that a row may be
/// written again.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct RefusedImage {
    /// The subscription's id.
    pub pk: String,
    /// `R#{hour}#{writer}`.
    pub sk: String,
    /// Calls refused, by the problem's slug.
    pub n: BTreeMap<String, u64>,
}

/// A row of timings: how the calls of some operations of an API's version went, in one sandbox and one hour. Absolute counts, so that
/// a row may be written again.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct TimedImage {
    /// `L#{organization}#{api}`: the provider's id, and the API's number.
    pub pk: String,
    /// `L#{hour}#{version}.{part}#{writer}`: the version's number.
    pub sk: String,
    /// By the operation's number.
    pub o: BTreeMap<String, Timed>,
}

/// How calls of an operation went.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Timed {
    /// Calls by the class of their status, `2` to `5`; `r` are those that the door refused.
    pub c: BTreeMap<String, u64>,
    /// Calls that were not refused, by how long they were in the door: by the end of a bucket, in milliseconds.
    pub t: BTreeMap<String, u64>,
    /// Calls that went to the upstream, by how long it took.
    pub u: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_periods_name_says_its_month_and_terms() {
        let hour = "2026-11-22T09:00:00Z".parse::<crate::time::Time>().unwrap().hour();
        let begin = "2026-11-01T00:00:00Z".parse::<crate::time::Time>().unwrap().hour();
        assert_eq!(period_key(hour, 3), format!("{begin}.3"));
        assert_eq!(read_period_key(&period_key(hour, 3)), Some((begin, 3)));
        assert_eq!(read_period_key("x.3"), None);
    }

    #[test]
    fn a_counters_name_round_trips() {
        let counter = Counter { key: 1, api: 2, version: 3, operation: 1100 };
        assert_eq!(counter.to_string(), "1.2.3.1100");
        assert_eq!("1.2.3.1100".parse(), Ok(counter));
        for bad in ["", "1", "1.2.3", "1.2.3.4.5", "1.2.3.x", "-1.2.3.4"] {
            assert_eq!(bad.parse::<Counter>(), Err(NotACounter), "{bad}");
        }
    }
}
