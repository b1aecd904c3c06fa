//! The sums over a grant's buckets: numbers only, names are put to them later.

use std::collections::BTreeMap;

use crate::domain::{Bucket, Head, NotUnderstood, Refused, counter, signed};

/// An operation by its numbers: API, version, operation.
pub(crate) type OperationNumber = (u32, u32, u32);

/// Calls of an operation or with a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) admitted: u64,
    pub(crate) failed: u64,
    /// The last UTC hour with a call.
    pub(crate) last_hour: Option<i64>,
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
pub(crate) struct Sums {
    pub(crate) admitted: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    /// Units admitted and not given back. Negative in an hour that gives back more than it admits.
    pub(crate) units: i64,
}

/// The sums over a range of hours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Report {
    pub(crate) total: Sums,
    pub(crate) by_operation: BTreeMap<OperationNumber, Calls>,
    pub(crate) by_key: BTreeMap<u32, Calls>,
    pub(crate) by_hour: BTreeMap<i64, Sums>,
}

/// Adds up the buckets of a range, in their order. `before` is the last bucket before it.
pub(crate) fn report(
    head: Option<&Head>,
    before: Option<&Bucket>,
    buckets: &[Bucket],
    refused: &[Refused],
) -> Result<Report, NotUnderstood> {
    let mut report = Report::default();
    let mut previous = before;
    for bucket in buckets {
        let mut sums = Sums::default();
        for (name, count) in &bucket.c {
            sums.admitted = sums.admitted.saturating_add(*count);
            report.calls(name, *count, 0, bucket.bh)?;
        }
        for (name, count) in &bucket.f {
            sums.failed = sums.failed.saturating_add(*count);
            report.calls(name, 0, *count, bucket.bh)?;
        }
        sums.units = match previous {
            Some(previous) => bucket.net().saturating_sub(previous.net()),
            None if head.is_some_and(|head| head.first == bucket.b) => bucket.net(),
            // Its predecessor is still on its way: until it comes, every call is taken to weigh one.
            None => signed(sums.admitted).saturating_sub(signed(sums.failed)),
        };
        report.add(bucket.bh, sums);
        previous = Some(bucket);
    }
    for row in refused {
        report.add(row.hour, Sums { rejected: row.revision, ..Sums::default() });
    }
    // An hour in which nothing happened says nothing.
    report.by_hour.retain(|_, sums| *sums != Sums::default());
    Ok(report)
}

impl Report {
    fn calls(&mut self, name: &str, admitted: u64, failed: u64, hour: i64) -> Result<(), NotUnderstood> {
        let counter = counter(name)?;
        self.by_operation
            .entry((counter.api, counter.version, counter.operation))
            .or_default()
            .add(admitted, failed, hour);
        self.by_key.entry(counter.key).or_default().add(admitted, failed, hour);
        Ok(())
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
