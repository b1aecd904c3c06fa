//! The rules of the meter's reading: what an image says of its bucket, what closes a bucket, how far the counts are whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::meter::{Counter, GrantImage, REFUSED_SK, RefusedImage, TimedImage, period_key, read_period_key};
use shared::time::Time;

use crate::timings::{self, Place, Timings};

/// A row of folded hours has at most so many counters, so that it stays far below the 400 KB that an item may have.
const FOLDED_COUNTERS_MAX: usize = 2_000;

/// What is known of one bucket of a grant: its newest image. Also several closed buckets of one hour put together, see [`fold`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bucket {
    /// Its number.
    pub b: u64,
    /// The UTC hour that it counts.
    pub bh: i64,
    /// The version of the image.
    pub v: u64,
    /// The revision of the terms.
    pub pr: u64,
    /// The version that it began with; 0 where that was not kept.
    #[serde(default)]
    pub bv: u64,
    /// Calls admitted, by [`Counter`].
    pub c: BTreeMap<String, u64>,
    /// Calls given back, by [`Counter`].
    pub f: BTreeMap<String, u64>,
    /// Units admitted in periods that are not sealed, at this image, by [`shared::meter::period_key`].
    pub p: BTreeMap<String, u64>,
    /// Units of these given back, at this image.
    pub q: BTreeMap<String, u64>,
    /// Whether nothing can be added any more.
    pub closed: bool,
    /// What the newest is kept by: see [`Bucket::of`].
    pub revision: u64,
}

impl Bucket {
    /// From an image. A bucket's last image may come first as an open one and then again as the one that closes it, so that
    /// "closed" counts as half a version.
    #[must_use]
    pub fn of(image: GrantImage, closed: bool) -> Self {
        let GrantImage { pk: _, v, b, bh, bv, pr, c, f, p, q, la: _, lf: _ } = image;
        Self { b, bh, v, pr, bv, c, f, p, q, closed, revision: v.saturating_mul(2).saturating_add(u64::from(closed)) }
    }

    /// Whether this image shows that the open image of the bucket before is its last: every write of a grant raises its version
    /// by one, and this bucket began with the next.
    #[must_use]
    pub fn ends(&self, before: &Self) -> bool {
        self.b == before.b + 1 && self.bv == before.v + 1
    }

    /// Adds the next bucket of the same hour.
    fn add(&mut self, next: Self) {
        for (into, from) in [(&mut self.c, next.c), (&mut self.f, next.f)] {
            for (name, count) in from {
                let sum = into.entry(name).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        // What a period had come to stays known where it was sealed in between.
        self.p.extend(next.p);
        self.q.extend(next.q);
        (self.b, self.v, self.pr, self.closed, self.revision) = (next.b, next.v, next.pr, next.closed, next.revision);
    }
}

/// Puts the buckets of each hour together, in their order: what they say of units and calls stays the same. Of buckets that
/// are final, the same rows come out whenever it is done. An hour with very many counters gets several rows.
#[must_use]
pub fn fold(buckets: impl IntoIterator<Item = Bucket>) -> Vec<Bucket> {
    let counters = |bucket: &Bucket| bucket.c.len() + bucket.f.len();
    let mut rows: Vec<Bucket> = Vec::new();
    for bucket in buckets {
        match rows.last_mut() {
            Some(row) if row.bh == bucket.bh && counters(row) + counters(&bucket) <= FOLDED_COUNTERS_MAX => {
                row.add(bucket);
            }
            _ => rows.push(bucket),
        }
    }
    rows
}

/// What a period's units under one revision of the terms had come to when the gateway sealed it: an entry that the seal took
/// out of the grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// The period's beginning, a UTC hour.
    pub month: i64,
    /// The revision of the terms.
    pub terms: u64,
    /// Units admitted and not given back.
    pub net: i64,
    /// The number of the bucket in which it was sealed: whatever was given back late stands in it, or in one before.
    pub b: u64,
    /// Always 1: a period is sealed once.
    pub revision: u64,
}

/// Units admitted and not given back, by the beginning of the period that they were admitted in and the revision of the terms.
pub fn nets(p: &BTreeMap<String, u64>, q: &BTreeMap<String, u64>) -> Result<BTreeMap<(i64, u64), i64>, NotUnderstood> {
    p.iter()
        .map(|(key, admitted)| {
            let back = q.get(key).copied().unwrap_or_default();
            Ok((period(key)?, signed(*admitted).saturating_sub(signed(back))))
        })
        .collect()
}

fn period(key: &str) -> Result<(i64, u64), NotUnderstood> {
    read_period_key(key).ok_or_else(|| NotUnderstood(format!("the period `{key}`")))
}

/// The first hour of the UTC month that an hour is in.
#[must_use]
pub fn month_of(hour: i64) -> i64 {
    Time::of_hour(hour).month().0.hour()
}

/// A count as a signed number: differences of counts may be negative.
#[must_use]
pub fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What a counter's attribute counts. Calls of an earlier billing period carry a `-` at its end.
pub fn counter(name: &str) -> Result<Counter, NotUnderstood> {
    name.strip_suffix('-').unwrap_or(name).parse().map_err(|_| NotUnderstood(format!("the counter `{name}`")))
}

/// The hour of the calls that a counter of a bucket counts: what is counted or given back late belongs to the last hour of its
/// month.
#[must_use]
pub fn hour_of(name: &str, bucket_hour: i64) -> i64 {
    if name.ends_with('-') { month_of(bucket_hour) - 1 } else { bucket_hour }
}

/// How far a grant's buckets are known without a gap and closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The number of the grant's first bucket.
    pub first: u64,
    /// The number of the first bucket that is missing or open.
    pub next: u64,
    /// Every UTC hour before this one is whole.
    pub hour: i64,
}

impl Head {
    /// Of a grant that was just made.
    #[must_use]
    pub fn new(first: u64, hour: i64) -> Self {
        Self { first, next: first, hour }
    }

    /// Goes on over buckets in their order. An open bucket is passed where the next one shows that nothing is missing from it,
    /// see [`Bucket::ends`]: its closing record was lost.
    #[must_use]
    pub fn advance<'a>(mut self, buckets: impl IntoIterator<Item = &'a Bucket>) -> Self {
        let mut open: Option<&Bucket> = None;
        for bucket in buckets {
            if let Some(before) = open.take() {
                if !bucket.ends(before) {
                    break;
                }
                self.next += 1;
            }
            if bucket.b < self.next {
                continue;
            }
            if bucket.b > self.next {
                break;
            }
            // An hour can have several buckets: it is whole only when a bucket of a later hour has begun.
            self.hour = bucket.bh;
            if bucket.closed {
                self.next += 1;
            } else {
                open = Some(bucket);
            }
        }
        self
    }
}

/// The end of the last hour that is known whole. Before a subscription was made there was nothing to count.
#[must_use]
pub fn complete_to(head: Option<&Head>, created_at: Time) -> Time {
    let hour = head.map_or(i64::MIN, |head| head.hour).max(created_at.hour());
    Time::of_hour(hour)
}

/// How far a subscription is known, and whether more is known to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frontier {
    /// The end of its last whole hour, see [`complete_to`].
    pub complete_to: Time,
    /// Whether calls are known that came at the frontier or behind it.
    pub counts: bool,
}

const IDLE_S: i64 = 26 * 3600;
const COUNTING_S: i64 = 2 * 3600;

/// Whether calls of all these subscriptions have arrived as far as they can have. The gateway's sweep closes a bucket that has
/// counts within minutes after its hour, so that one still open two hours after it began was lost or is late. An empty one it
/// closes once a day, at midnight UTC: an idle grant's frontier is up to a day old, and two hours are left for the sweep.
#[must_use]
pub fn is_complete(frontiers: impl IntoIterator<Item = Frontier>, now: Time) -> bool {
    frontiers.into_iter().all(|frontier| {
        let age = now.seconds().saturating_sub(frontier.complete_to.seconds());
        age <= if frontier.counts { COUNTING_S } else { IDLE_S }
    })
}

/// Calls that one sandbox of the gateway refused in one hour.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// The UTC hour.
    pub hour: i64,
    /// Calls refused, by the problem's slug.
    pub n: BTreeMap<String, u64>,
    /// All of them. Counts only grow, so the largest is the newest.
    pub revision: u64,
}

/// A record that cannot be read. Trying again does not help.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the meter is not understood: {0}")]
pub struct NotUnderstood(pub String);

/// The sort key of a row of refused calls, taken apart: hour and writer.
pub fn refused_key(sk: &str) -> Result<(i64, &str), NotUnderstood> {
    sk.strip_prefix(REFUSED_SK)
        .and_then(|rest| rest.split_once('#'))
        .and_then(|(hour, writer)| Some((hour.parse().ok()?, writer)))
        .ok_or_else(|| NotUnderstood(format!("the key `{sk}`")))
}

/// What a batch of stream records says, put together: of a hundred calls with one key, one row.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// The newest image of every bucket, by subscription and number.
    pub buckets: BTreeMap<(String, u64), Bucket>,
    /// The counters whose calls a record changed.
    pub touched: BTreeSet<(String, u64, String)>,
    /// Grants that were made: number and hour of their first bucket.
    pub made: BTreeMap<String, Head>,
    /// Entries of periods that were sealed, by subscription, the period's beginning and the revision of the terms.
    pub ended: BTreeMap<(String, i64, u64), Ended>,
    /// Refused calls, by subscription, hour and writer.
    pub refused: BTreeMap<(String, i64, String), Refused>,
    /// Timings, by their place and hour.
    pub timed: BTreeMap<(Place, i64), Timings>,
}

impl Batch {
    /// Takes a change of a grant.
    pub fn grant(&mut self, old: Option<GrantImage>, new: Option<GrantImage>) -> Result<(), NotUnderstood> {
        for image in [&old, &new].into_iter().flatten() {
            image.c.keys().chain(image.f.keys()).try_for_each(|name| counter(name).map(drop))?;
            image.p.keys().chain(image.q.keys()).try_for_each(|key| period(key).map(drop))?;
        }
        if let (Some(old), Some(new)) = (&old, &new) {
            self.sealed(old, new)?;
        }
        let same_bucket = matches!((&old, &new), (Some(old), Some(new)) if old.b == new.b);
        if let Some(new) = &new {
            let before = old.as_ref().filter(|_| same_bucket).map(|old| &old.c);
            for (name, count) in &new.c {
                if before.and_then(|before| before.get(name)) != Some(count) {
                    self.touched.insert((new.pk.clone(), new.b, name.clone()));
                }
            }
            if old.is_none() {
                self.made.insert(new.pk.clone(), Head::new(new.b, new.bh));
            }
        }
        // The old image of a turn is the last word on its bucket. So is that of a deletion.
        if let Some(old) = old.filter(|_| !same_bucket) {
            self.keep(old, true);
        }
        if let Some(new) = new {
            self.keep(new, false);
        }
        Ok(())
    }

    /// Takes a row of refused calls.
    pub fn refused(&mut self, image: RefusedImage) -> Result<(), NotUnderstood> {
        let (hour, writer) = refused_key(&image.sk)?;
        let revision = image.n.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
        let key = (image.pk, hour, writer.to_owned());
        if self.refused.get(&key).is_none_or(|kept| kept.revision < revision) {
            self.refused.insert(key, Refused { hour, n: image.n, revision });
        }
        Ok(())
    }

    /// Takes a row of timings.
    pub fn timed(&mut self, image: TimedImage) -> Result<(), NotUnderstood> {
        let (place, row) = timings::read(image)?;
        let key = (place, row.hour);
        if self.timed.get(&key).is_none_or(|kept| kept.revision < row.revision) {
            self.timed.insert(key, row);
        }
        Ok(())
    }

    /// Entries that a write took out belong to a period that is being sealed. The bucket itself may go on, and its later
    /// images do not have them.
    fn sealed(&mut self, old: &GrantImage, new: &GrantImage) -> Result<(), NotUnderstood> {
        for ((month, terms), net) in nets(&old.p, &old.q)? {
            if !new.p.contains_key(&period_key(month, terms)) {
                self.ended.insert((old.pk.clone(), month, terms), Ended { month, terms, net, b: new.b, revision: 1 });
            }
        }
        Ok(())
    }

    fn keep(&mut self, image: GrantImage, closed: bool) {
        let key = (image.pk.clone(), image.b);
        let bucket = Bucket::of(image, closed);
        if self.buckets.get(&key).is_none_or(|kept| kept.revision < bucket.revision) {
            self.buckets.insert(key, bucket);
        }
    }
}

#[cfg(test)]
#[path = "domain_tests.rs"]
mod tests;
