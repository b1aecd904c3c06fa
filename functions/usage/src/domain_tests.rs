use proptest::prelude::*;

use super::*;
use crate::report::{Report, Sums, report};

/// A grant as the gateway writes it, with the truth beside it.
#[derive(Clone, Debug)]
struct Grant {
    image: GrantImage,
    records: Vec<(Option<GrantImage>, Option<GrantImage>)>,
    /// Admitted and given back, by hour.
    hours: BTreeMap<i64, (u64, u64, i64)>,
}

/// A write of the gateway: hours that pass before it, the counter, its weight, and what it does.
#[derive(Clone, Debug)]
enum Write {
    Admit { hours: u8, page: bool, key: u32, operation: u32 },
    Refund { key: u32, operation: u32 },
    Other,
}

fn weight(operation: u32) -> u64 {
    u64::from(operation) * 2 + 1
}

impl Grant {
    fn new(hour: i64) -> Self {
        let image = GrantImage { pk: "sub_1".into(), v: 1, b: 1, bh: hour, pr: 1, ..GrantImage::default() };
        Self { records: vec![(None, Some(image.clone()))], image, hours: BTreeMap::new() }
    }

    fn write(&mut self, write: &Write) {
        let old = self.image.clone();
        let image = &mut self.image;
        image.v += 1;
        match write {
            Write::Admit { hours, page, key, operation } => {
                if *hours > 0 || *page {
                    (image.b, image.bh) = (image.b + 1, image.bh + i64::from(*hours));
                    image.c.clear();
                    image.f.clear();
                }
                *image
                    .c
                    .entry(Counter { key: *key, api: 1, version: 1, operation: *operation }.to_string())
                    .or_default() += 1;
                image.la += weight(*operation);
                let hour = self.hours.entry(image.bh).or_default();
                (hour.0, hour.2) = (hour.0 + 1, hour.2 + signed(weight(*operation)));
            }
            Write::Refund { key, operation } => {
                let name = Counter { key: *key, api: 1, version: 1, operation: *operation }.to_string();
                *image.f.entry(name).or_default() += 1;
                image.lf += weight(*operation);
                let hour = self.hours.entry(image.bh).or_default();
                (hour.1, hour.2) = (hour.1 + 1, hour.2 - signed(weight(*operation)));
            }
            Write::Other => {}
        }
        self.records.push((Some(old), Some(image.clone())));
    }
}

/// The table, as far as its one rule goes: of a key, the highest revision is kept.
#[derive(Clone, PartialEq, Debug, Default)]
struct Kept(BTreeMap<u64, Bucket>, Option<Head>, BTreeMap<(u64, String), (u64, u64)>);

impl Kept {
    fn take(&mut self, records: &[(Option<GrantImage>, Option<GrantImage>)]) {
        let mut batch = Batch::default();
        for (old, new) in records {
            batch.grant(old.clone(), new.clone()).unwrap();
        }
        for ((_, number), bucket) in batch.buckets {
            for (name, calls) in &bucket.c {
                if bucket.closed || batch.touched.contains(&("sub_1".into(), number, name.clone())) {
                    let kept = self.2.entry((number, name.clone())).or_default();
                    if kept.0 < bucket.revision {
                        *kept = (bucket.revision, *calls);
                    }
                }
            }
            if self.0.get(&number).is_none_or(|kept| kept.revision < bucket.revision) {
                self.0.insert(number, bucket);
            }
        }
        self.1 = self.1.or(batch.made.into_values().next());
        self.1 = self.1.map(|head| head.advance(self.0.values()));
    }

    fn report(&self) -> Report {
        let buckets: Vec<Bucket> = self.0.values().cloned().collect();
        report(self.1.as_ref(), None, &buckets, &[]).unwrap()
    }
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let write = prop_oneof![
        6 => (0_u8..3, prop::bool::weighted(0.1), 1_u32..4, 0_u32..5).prop_map(|(hours, page, key, operation)| Write::Admit { hours, page, key, operation }),
        1 => (1_u32..4, 0_u32..5).prop_map(|(key, operation)| Write::Refund { key, operation }),
        1 => Just(Write::Other),
    ];
    prop::collection::vec(write, 1..60)
}

proptest! {
    /// However a stream's records come, the end is the same, and it is what the gateway did.
    #[test]
    fn images_shuffled_doubled_and_late_end_in_the_same_state(writes in writes(), order in prop::collection::vec((any::<u16>(), any::<u16>()), 61), batch in 1_usize..9) {
        let mut grant = Grant::new(100);
        for write in &writes {
            grant.write(write);
        }

        let mut in_order = Kept::default();
        in_order.take(&grant.records);

        let mut delivered: Vec<(u16, _)> = grant.records.iter().zip(&order).flat_map(|(record, (once, twice))| [(*once, record.clone()), (*twice, record.clone())]).collect();
        delivered.sort_by_key(|(when, _)| *when);
        let delivered: Vec<_> = delivered.into_iter().map(|(_, record)| record).collect();
        let mut shuffled = Kept::default();
        delivered.chunks(batch).for_each(|records| shuffled.take(records));

        prop_assert_eq!(&shuffled.0, &in_order.0);
        prop_assert_eq!(&shuffled.1, &in_order.1);
        let counts = |kept: &Kept| kept.2.iter().map(|(key, (_, calls))| (key.clone(), *calls)).collect::<Vec<_>>();
        prop_assert_eq!(counts(&shuffled), counts(&in_order));

        let report = in_order.report();
        let truth: BTreeMap<i64, Sums> = grant.hours.iter().map(|(hour, (admitted, failed, units))| (*hour, Sums { admitted: *admitted, rejected: 0, failed: *failed, units: *units })).collect();
        prop_assert_eq!(&report.by_hour, &truth);
        prop_assert_eq!(report.total.units, signed(grant.image.la) - signed(grant.image.lf));
        prop_assert_eq!(report.by_key.values().map(|calls| calls.admitted).sum::<u64>(), report.total.admitted);
        prop_assert_eq!(report.by_operation.values().map(|calls| calls.failed).sum::<u64>(), report.total.failed);
        prop_assert_eq!(in_order.1.unwrap().hour, grant.image.bh);
    }

    /// Whatever is missing, no hour before the frontier lacks anything.
    #[test]
    fn no_hour_before_the_frontier_lacks_anything(writes in writes(), lost in prop::collection::vec(prop::bool::weighted(0.2), 61)) {
        let mut grant = Grant::new(100);
        for write in &writes {
            grant.write(write);
        }
        let records: Vec<_> = grant.records.iter().zip(&lost).filter(|(_, lost)| !**lost).map(|(record, _)| record.clone()).collect();
        let mut kept = Kept::default();
        kept.take(&records);
        if let Some(head) = kept.1 {
            let report = kept.report();
            for (hour, (admitted, failed, units)) in grant.hours.iter().filter(|(hour, _)| **hour < head.hour) {
                let sums = report.by_hour.get(hour).copied().unwrap_or_default();
                prop_assert_eq!(sums, Sums { admitted: *admitted, rejected: 0, failed: *failed, units: *units });
            }
        }
    }
}

fn image(v: u64, b: u64, hour: i64, calls: u64, la: u64) -> GrantImage {
    GrantImage {
        pk: "sub_1".into(),
        v,
        b,
        bh: hour,
        pr: 1,
        c: BTreeMap::from([("1.1.1.0".into(), calls)]),
        la,
        ..GrantImage::default()
    }
}

#[test]
fn the_old_image_of_a_turn_closes_its_bucket() {
    let mut batch = Batch::default();
    batch.grant(Some(image(9, 4, 20, 3, 30)), Some(image(10, 5, 21, 1, 31))).unwrap();
    let bucket = |number| batch.buckets.get(&("sub_1".to_owned(), number)).unwrap();
    assert!(bucket(4).closed && !bucket(5).closed);
    assert_eq!((bucket(4).v, bucket(4).net(), bucket(5).net()), (9, 30, 31));
    assert!(batch.made.is_empty());
}

#[test]
fn units_are_differences_of_lifetime_totals_whatever_a_call_weighs() {
    let buckets = [Bucket::of(image(9, 4, 20, 3, 130), true), Bucket::of(image(10, 5, 21, 1, 135), false)];
    let before = Bucket::of(image(5, 3, 19, 1, 100), true);
    let sums = report(None, Some(&before), &buckets, &[]).unwrap();
    assert_eq!(sums.by_hour.values().map(|hour| hour.units).collect::<Vec<_>>(), [30, 5]);
    // Without the bucket before, and not the first of the grant: calls weigh one until it comes.
    let sums = report(None, None, &buckets, &[]).unwrap();
    assert_eq!(sums.total.units, 3 + 5);
}

#[test]
fn an_hour_of_two_pages_is_whole_only_when_a_later_hour_has_begun() {
    let pages = [Bucket::of(image(2, 1, 20, 3, 3), true), Bucket::of(image(4, 2, 20, 2, 5), false)];
    assert_eq!(Head::new(1, 20).advance(&pages), Head { first: 1, next: 2, hour: 20 });
    let closed = [pages[0].clone(), Bucket::of(image(4, 2, 20, 2, 5), true)];
    assert_eq!(Head::new(1, 20).advance(&closed), Head { first: 1, next: 3, hour: 20 });
    // A gap: bucket 3 is missing.
    let gap = [closed[0].clone(), closed[1].clone(), Bucket::of(image(9, 4, 25, 1, 9), true)];
    assert_eq!(Head::new(1, 20).advance(&gap), Head { first: 1, next: 3, hour: 20 });
}

#[test]
fn counts_are_whole_up_to_the_subscription_itself_when_nothing_is_known() {
    let made: Time = "2026-01-31T12:34:00Z".parse().unwrap();
    assert_eq!(complete_to(None, made).to_string(), "2026-01-31T12:00:00.000Z");
    let head = Head::new(1, made.hour() + 5);
    assert_eq!(complete_to(Some(&head), made).to_string(), "2026-01-31T17:00:00.000Z");
}

#[test]
fn refused_calls_are_kept_by_their_largest_count() {
    let row = |count: u64| RefusedImage {
        pk: "sub_1".into(),
        sk: "R#000491000#w1".into(),
        n: BTreeMap::from([("quota-exceeded".into(), count), ("rate-limited".into(), 1)]),
    };
    let mut batch = Batch::default();
    for count in [3, 7, 5] {
        batch.refused(row(count)).unwrap();
    }
    let kept: Vec<_> = batch.refused.values().map(|refused| (refused.hour, refused.revision)).collect();
    assert_eq!(kept, [(491_000, 8)]);
    for bad in ["R#", "R#x#w", "G", "R#12"] {
        assert!(refused_key(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_counter_that_cannot_be_read_is_an_error_and_a_refund_of_an_earlier_period_is_not() {
    assert_eq!(counter("1.2.3.4-").unwrap(), Counter { key: 1, api: 2, version: 3, operation: 4 });
    let mut odd = image(1, 1, 1, 1, 1);
    odd.f.insert("k1o7".into(), 1);
    assert!(Batch::default().grant(None, Some(odd)).is_err());
}
