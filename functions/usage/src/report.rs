//! The sums over a grant's buckets: numbers only, names are put to them later.

use std::collections::BTreeMap;
use std::ops::Range;

use shared::time::Time;

use crate::domain::{
    Bucket, Ended, Head, NotUnderstood, Refused, complete_to, counter, hour_of, month_of, nets, signed,
};

/// An operation by its numbers: API, version, operation.
pub type OperationNumber = (u32, u32, u32);

/// Calls of an operation or with a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Calls {
    /// Calls admitted.
    pub admitted: u64,
    /// Calls given back.
    pub failed: u64,
    /// The last UTC hour with a call.
    pub last_hour: Option<i64>,
}

impl Calls {
    fn add(&mut self, admitted: u64, failed: u64, hour: i64) {
        self.admitted = self.admitted.saturating_add(admitted);
        self.failed = self.failed.saturating_add(failed);
        if admitted > 0 {
            self.last_hour = self.last_hour.max(Some(hour));
        }
    }
}

/// What happened in an hour, or in all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Calls admitted.
    pub admitted: u64,
    /// Calls refused.
    pub rejected: u64,
    /// Calls given back.
    pub failed: u64,
    /// Units admitted and not given back. Negative in an hour that gives back more than it admits.
    pub units: i64,
}

/// What is known of a grant over a range of hours.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// The frontier.
    pub head: Option<Head>,
    /// The last bucket before the range.
    pub before: Option<Bucket>,
    /// The buckets of the range, in their order; and where it ends with a month, those of the hour after it: a refund of the
    /// month's last seconds may stand there.
    pub buckets: Vec<Bucket>,
    /// What sealed periods had come to, from that of the range's beginning on.
    pub ended: Vec<Ended>,
    /// Refused calls of the range.
    pub refused: Vec<Refused>,
}

/// The sums over a range of hours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// All hours together.
    pub total: Sums,
    /// By operation.
    pub by_operation: BTreeMap<OperationNumber, Calls>,
    /// By the key's number.
    pub by_key: BTreeMap<u32, Calls>,
    /// By UTC hour.
    pub by_hour: BTreeMap<i64, Sums>,
    /// Units by the revision of the terms that they were admitted under.
    pub by_terms: BTreeMap<u64, i64>,
    hours: Range<i64>,
}

impl Numbers {
    /// Adds up the hours of a range.
    ///
    /// What a bucket admitted and gave back of its own month is its hour's. What it counted or gave back of an earlier month
    /// belongs to that month's last hour: so the hours of a month add up to what is sealed of it.
    pub fn report(&self, hours: Range<i64>) -> Result<Report, NotUnderstood> {
        let mut report = Report { hours, ..Report::default() };
        let mut known = if let Some(before) = &self.before {
            Some(nets(&before.p, &before.q)?)
        } else {
            // Nothing is missing before the frontier: the first bucket there is begins with nothing.
            let first = self.buckets.first().zip(self.head);
            first.filter(|(bucket, head)| bucket.b <= head.next).map(|_| BTreeMap::new())
        };
        for bucket in &self.buckets {
            let (month, mut own) = (month_of(bucket.bh), 0_i64);
            for (name, count) in &bucket.c {
                let hour = hour_of(name, bucket.bh);
                own = own.saturating_add(if hour < month { 0 } else { signed(*count) });
                report.calls(name, *count, 0, hour)?;
            }
            for (name, count) in &bucket.f {
                let hour = hour_of(name, bucket.bh);
                own = own.saturating_sub(if hour < month { 0 } else { signed(*count) });
                report.calls(name, 0, *count, hour)?;
            }
            let now = nets(&bucket.p, &bucket.q)?;
            match &known {
                Some(known) => {
                    for ((of, revision), net) in &now {
                        let before = known.get(&(*of, *revision)).copied().unwrap_or_default();
                        let hour = if *of < month { last_hour(*of) } else { bucket.bh };
                        report.units(hour, *revision, net.saturating_sub(before));
                    }
                }
                // Its predecessor is still on its way: until it comes, every call is taken to weigh one.
                None => report.units(bucket.bh, bucket.pr, own),
            }
            // Entries that are gone were sealed. They do not come again.
            known.get_or_insert_default().extend(now);
        }
        for Ended { month, terms, net, .. } in &self.ended {
            let before = known.as_ref().and_then(|known| known.get(&(*month, *terms)));
            // Whatever the buckets do not show was given back between the last image of one and the seal.
            report.units(last_hour(*month), *terms, before.map_or(0, |before| net.saturating_sub(*before)));
        }
        for row in &self.refused {
            report.add(row.hour, Sums { rejected: row.revision, ..Sums::default() });
        }
        // An hour in which nothing happened says nothing.
        report.by_hour.retain(|_, sums| *sums != Sums::default());
        report.by_terms.retain(|_, units| *units != 0);
        Ok(report)
    }

    /// The end of the last hour that is known whole. A month's last hour waits for its refunds: until the month is sealed and
    /// every bucket before the seal's is there, or the hour after it is whole.
    #[must_use]
    pub fn complete_to(&self, created_at: Time) -> Time {
        let head = self.head.map(|head| {
            let month = month_of(head.hour - 1);
            let sealed = self.ended.iter().filter(|ended| ended.month == month).map(|ended| ended.b).max();
            let waits = month_of(head.hour) == head.hour && sealed.is_none_or(|b| head.next < b);
            Head { hour: head.hour - i64::from(waits), ..head }
        });
        complete_to(head.as_ref(), created_at)
    }
}

fn last_hour(month: i64) -> i64 {
    Time::of_hour(month).month().1.hour() - 1
}

impl Report {
    /// The counts of one counter in an hour.
    fn calls(&mut self, name: &str, admitted: u64, failed: u64, hour: i64) -> Result<(), NotUnderstood> {
        let counter = counter(name)?;
        if self.hours.contains(&hour) {
            self.by_operation
                .entry((counter.api, counter.version, counter.operation))
                .or_default()
                .add(admitted, failed, hour);
            self.by_key.entry(counter.key).or_default().add(admitted, failed, hour);
            self.add(hour, Sums { admitted, failed, ..Sums::default() });
        }
        Ok(())
    }

    fn units(&mut self, hour: i64, revision: u64, units: i64) {
        if self.hours.contains(&hour) && units != 0 {
            let terms = self.by_terms.entry(revision).or_default();
            *terms = terms.saturating_add(units);
            self.add(hour, Sums { units, ..Sums::default() });
        }
    }

    fn add(&mut self, hour: i64, sums: Sums) {
        for into in [self.by_hour.entry(hour).or_default(), &mut self.total] {
            into.admitted = into.admitted.saturating_add(sums.admitted);
            into.rejected = into.rejected.saturating_add(sums.rejected);
            into.failed = into.failed.saturating_add(sums.failed);
            into.units = into.units.saturating_add(sums.units);
        }
    }
}
