//! What rows of calls add up to: for one operation as for many.

use std::collections::BTreeMap;

use shared::time::Time;

use crate::store::Called;

/// A subscription and a key's number in it.
pub(super) type Key = (String, u32);

/// What the rows add up to.
#[derive(Default)]
pub(super) struct Sums {
    /// Calls of all operations, and the last hour, by key.
    pub(super) keys: BTreeMap<Key, (u64, i64)>,
    /// The same by operation.
    pub(super) by_operation: BTreeMap<usize, BTreeMap<Key, (u64, i64)>>,
    /// Calls by operation and day.
    pub(super) days: BTreeMap<usize, BTreeMap<Time, u64>>,
}

impl Sums {
    /// Of the rows of operations, each with its place in the question.
    pub(super) fn of(rows: &[(usize, Vec<Called>)]) -> Self {
        let mut sums = Self::default();
        let add = |sums: &mut BTreeMap<Key, (u64, i64)>, row: &Called| {
            let sum = sums.entry((row.subscription.clone(), row.key)).or_insert((0, i64::MIN));
            sum.0 = sum.0.saturating_add(row.n);
            sum.1 = sum.1.max(row.hour);
        };
        for (place, rows) in rows {
            for row in rows.iter().filter(|row| row.n > 0) {
                add(&mut sums.keys, row);
                add(sums.by_operation.entry(*place).or_default(), row);
                let day = Time::of_hour(row.hour).day().0;
                *sums.days.entry(*place).or_default().entry(day).or_insert(0) += row.n;
            }
        }
        sums
    }
}
