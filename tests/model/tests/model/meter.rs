//! Usage's own rule over the grant's images, as a stream may deliver them: shuffled, doubled, in batches.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared::meter::read_period_key;
use usage::domain::{Batch, Bucket, Ended, Head, nets, signed};

use crate::truth::{Held, Truth};

/// Whatever comes twice, late or in another order: the hours are those of the calls, and the units those of the grant.
pub(crate) fn reads(truth: &Truth, order: u64) -> Held {
    let mut state = order | 1;
    let mut next = |below: usize| {
        // xorshift64: the order is a number, so that it shrinks and replays.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut records: Vec<_> = truth.records.iter().chain(&truth.records).cloned().collect();
    for last in (1..records.len()).rev() {
        records.swap(last, next(last + 1));
    }

    // The table's one rule: of a bucket, the highest revision is kept.
    let mut kept: BTreeMap<u64, Bucket> = BTreeMap::new();
    let mut ended: BTreeMap<(i64, u64), Ended> = BTreeMap::new();
    let mut head: Option<Head> = None;
    for records in records.chunks(1 + next(8)) {
        let mut batch = Batch::default();
        for (old, new) in records {
            batch.grant(old.clone(), new.clone()).unwrap();
        }
        for ((_, number), bucket) in batch.buckets {
            if kept.get(&number).is_none_or(|kept| kept.revision < bucket.revision) {
                kept.insert(number, bucket);
            }
        }
        for ((_, month, terms), period) in batch.ended {
            let first = *ended.entry((month, terms)).or_insert(period);
            prop_assert_eq!(first, period, "a period ends once");
        }
        head = head.or_else(|| batch.made.into_values().next()).map(|head| head.advance(kept.values()));
    }

    let mut hours: BTreeMap<(i64, String), (u64, u64)> = BTreeMap::new();
    for bucket in kept.values() {
        for (name, count) in &bucket.c {
            hours.entry((bucket.bh, name.clone())).or_default().0 += count;
        }
        for (name, count) in &bucket.f {
            hours.entry((bucket.bh, name.clone())).or_default().1 += count;
        }
    }
    prop_assert_eq!(&hours, &truth.hours, "usage's hours");
    let last = truth.records.last().and_then(|(_, new)| new.as_ref()).unwrap();
    let open = &kept.last_key_value().unwrap().1;
    let mut periods = nets(&open.p, &open.q).unwrap();
    periods.extend(ended.into_iter().map(|(period, ended)| (period, ended.net)));
    let truth_net = |(admitted, refunded): (u64, u64)| signed(admitted) - signed(refunded);
    let counted: BTreeMap<(i64, u64), i64> =
        truth.periods.iter().map(|(name, counts)| (read_period_key(name).unwrap(), truth_net(*counts))).collect();
    prop_assert_eq!(&periods, &counted, "usage's units");
    let head = head.unwrap();
    prop_assert_eq!((head.next, head.hour), (last.b, last.bh), "all buckets but the last are closed, without a gap");
    Ok(())
}
