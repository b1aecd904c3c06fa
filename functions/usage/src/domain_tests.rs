use proptest::prelude::*;
use shared::meter::period_key;

use super::*;
use crate::report::{Numbers, Report, Sums};

/// The first hour of 2026-02.
const FEBRUARY: i64 = 491_640;

/// A grant as the gateway writes it, with the truth beside it.
#[derive(Clone, Debug)]
struct Grant {
    image: GrantImage,
    records: Vec<(Option<GrantImage>, Option<GrantImage>)>,
    /// What is true of every hour.
    hours: BTreeMap<i64, Sums>,
    /// Units admitted and not given back, by hour and revision of the terms.
    terms: BTreeMap<(i64, u64), i64>,
    /// Which records sealed something.
    seals: BTreeSet<usize>,
    /// Calls that were not given back: their hour, terms and counter.
    calls: Vec<(i64, u64, Counter)>,
}

/// A write of the gateway: hours that pass before it, the counter, its weight, and what it does.
#[derive(Clone, Debug)]
enum Write {
    Admit {
        hours: u8,
        page: bool,
        key: u32,
        operation: u32,
    },
    Refund {
        back: usize,
    },
    /// Calls of a lease, which may have been admitted in the month before.
    Settle {
        key: u32,
        operation: u32,
        calls: u64,
        late: bool,
    },
    Terms,
    Seal {
        entries: usize,
    },
    Other,
}

fn weight(operation: u32) -> u64 {
    u64::from(operation) * 2 + 1
}

impl Grant {
    fn new(hour: i64) -> Self {
        let image = GrantImage { pk: "sub_1".into(), v: 1, b: 1, bh: hour, pr: 1, ..GrantImage::default() };
        Self {
            records: vec![(None, Some(image.clone()))],
            image,
            hours: BTreeMap::new(),
            terms: BTreeMap::new(),
            seals: BTreeSet::new(),
            calls: Vec::new(),
        }
    }

    fn turn(&mut self, hours: u8) {
        (self.image.b, self.image.bh) = (self.image.b + 1, self.image.bh + i64::from(hours));
        self.image.bv = self.image.v + 1;
        self.image.c.clear();
        self.image.f.clear();
    }

    fn count(&mut self, hour: i64, revision: u64, admitted: u64, failed: u64, units: i64) {
        let sums = self.hours.entry(hour).or_default();
        (sums.admitted, sums.failed, sums.units) = (sums.admitted + admitted, sums.failed + failed, sums.units + units);
        *self.terms.entry((hour, revision)).or_default() += units;
    }

    fn write(&mut self, write: &Write) {
        let old = self.image.clone();
        match write {
            Write::Admit { hours, page, key, operation } => {
                if *hours > 0 || *page {
                    self.turn(*hours);
                }
                let counter = Counter { key: *key, api: 1, version: 1, operation: *operation };
                let (hour, revision, units) = (self.image.bh, self.image.pr, weight(*operation));
                *self.image.c.entry(counter.to_string()).or_default() += 1;
                *self.image.p.entry(period_key(hour, revision)).or_default() += units;
                self.image.la += units;
                self.count(hour, revision, 1, 0, signed(units));
                self.calls.push((hour, revision, counter));
            }
            Write::Refund { back } => {
                let Some(at) = self.calls.len().checked_sub(back + 1) else { return };
                let (hour, revision, counter) = self.calls[at];
                let (now, late) = (self.image.bh, month_of(hour) < month_of(self.image.bh));
                // No call lasts longer than the first hour of the next month, and a sealed period takes no refund.
                let key = period_key(hour, revision);
                if (late && now != month_of(now)) || !self.image.p.contains_key(&key) {
                    return;
                }
                self.calls.remove(at);
                let units = weight(counter.operation);
                let name = if late { format!("{counter}-") } else { counter.to_string() };
                *self.image.f.entry(name).or_default() += 1;
                *self.image.q.entry(key).or_default() += units;
                self.image.lf += units;
                self.count(if late { FEBRUARY - 1 } else { now }, revision, 0, 1, -signed(units));
            }
            Write::Settle { key, operation, calls, late } => {
                let hour = if *late { month_of(self.image.bh) - 1 } else { self.image.bh };
                let (key, counter) =
                    (period_key(hour, self.image.pr), Counter { key: *key, api: 1, version: 1, operation: *operation });
                // A lease settles what it took, as long as its period is open, and at most an hour into the next month.
                if !self.image.p.contains_key(&key) || (*late && self.image.bh != month_of(self.image.bh)) {
                    return;
                }
                let name = if *late { format!("{counter}-") } else { counter.to_string() };
                let units = weight(*operation) * calls;
                *self.image.c.entry(name).or_default() += calls;
                *self.image.p.entry(key).or_default() += units;
                self.image.la += units;
                self.count(hour, self.image.pr, *calls, 0, signed(units));
            }
            Write::Terms => {
                self.turn(0);
                self.image.pr += 1;
            }
            // Many entries are sealed by several writes.
            Write::Seal { entries } => {
                let month = month_of(self.image.bh);
                let over = |key: &&String| read_period_key(key).unwrap().0 < month;
                let due: Vec<String> = self.image.p.keys().filter(over).take(*entries).cloned().collect();
                if due.is_empty() {
                    return;
                }
                self.image.p.retain(|key, _| !due.contains(key));
                self.image.q.retain(|key, _| !due.contains(key));
                self.seals.insert(self.records.len());
            }
            Write::Other => {}
        }
        self.image.v += 1;
        self.records.push((Some(old), Some(self.image.clone())));
    }

    /// What is true of a range of hours.
    fn truth(&self, hours: std::ops::Range<i64>) -> (BTreeMap<i64, Sums>, BTreeMap<u64, i64>) {
        let sums = self.hours.range(hours.clone()).filter(|(_, sums)| **sums != Sums::default());
        let mut terms: BTreeMap<u64, i64> = BTreeMap::new();
        for ((_, revision), units) in self.terms.iter().filter(|((hour, _), _)| hours.contains(hour)) {
            *terms.entry(*revision).or_default() += units;
        }
        terms.retain(|_, units| *units != 0);
        (sums.map(|(hour, sums)| (*hour, *sums)).collect(), terms)
    }
}

/// The table, as far as its one rule goes: of a key, the highest revision is kept.
#[derive(Clone, PartialEq, Debug, Default)]
struct Kept {
    buckets: BTreeMap<u64, Bucket>,
    head: Option<Head>,
    calls: BTreeMap<(u64, String), (u64, u64)>,
    ended: BTreeMap<(i64, u64), Ended>,
}

impl Kept {
    fn of(records: &[(Option<GrantImage>, Option<GrantImage>)]) -> Self {
        let mut kept = Self::default();
        kept.take(records);
        kept
    }

    fn take(&mut self, records: &[(Option<GrantImage>, Option<GrantImage>)]) {
        let mut batch = Batch::default();
        for (old, new) in records {
            batch.grant(old.clone(), new.clone()).unwrap();
        }
        for ((_, number), bucket) in batch.buckets {
            for (name, calls) in &bucket.c {
                if bucket.closed || batch.touched.contains(&("sub_1".into(), number, name.clone())) {
                    let kept = self.calls.entry((number, name.clone())).or_default();
                    if kept.0 < bucket.revision {
                        *kept = (bucket.revision, *calls);
                    }
                }
            }
            if self.buckets.get(&number).is_none_or(|kept| kept.revision < bucket.revision) {
                self.buckets.insert(number, bucket);
            }
        }
        for ((_, month, terms), ended) in batch.ended {
            self.ended.entry((month, terms)).or_insert(ended);
        }
        self.head = self.head.or(batch.made.into_values().next());
        self.head = self.head.map(|head| head.advance(self.buckets.values()));
    }

    /// What the store reads for a range of hours: folded as far as they are whole, or bucket by bucket.
    fn numbers(&self, hours: std::ops::Range<i64>, folded: bool) -> Numbers {
        let end = hours.end + i64::from(month_of(hours.end) == hours.end);
        let whole = self.head.filter(|_| folded).map_or(i64::MIN, |head| head.hour);
        let in_range = |bucket: &&Bucket| (hours.start..end).contains(&bucket.bh);
        let (passed, rest): (Vec<_>, Vec<_>) =
            self.buckets.values().filter(in_range).cloned().partition(|bucket| bucket.bh < whole);
        Numbers {
            head: self.head,
            before: self.buckets.values().rfind(|bucket| bucket.bh < hours.start).cloned(),
            buckets: fold(passed).into_iter().chain(rest).collect(),
            ended: self.ended.values().copied().collect(),
            refused: Vec::new(),
        }
    }

    fn report(&self, hours: std::ops::Range<i64>) -> Report {
        let report = self.numbers(hours.clone(), false).report(hours.clone()).unwrap();
        assert_eq!(self.numbers(hours.clone(), true).report(hours).unwrap(), report);
        report
    }
}

/// Writes of some days, most of them around the end of a month.
fn writes() -> impl Strategy<Value = Vec<Write>> {
    let write = prop_oneof![
        8 => (prop_oneof![4 => Just(0_u8), 2 => Just(1), 1 => Just(2)], prop::bool::weighted(0.1), 1_u32..4, 0_u32..5)
            .prop_map(|(hours, page, key, operation)| Write::Admit { hours, page, key, operation }),
        3 => (0_usize..4).prop_map(|back| Write::Refund { back }),
        2 => (1_u32..4, 0_u32..5, 1_u64..9, any::<bool>())
            .prop_map(|(key, operation, calls, late)| Write::Settle { key, operation, calls, late }),
        1 => Just(Write::Terms),
        1 => (1_usize..4).prop_map(|entries| Write::Seal { entries }),
        1 => Just(Write::Other),
    ];
    prop::collection::vec(write, 1..60)
}

fn written(writes: &[Write]) -> Grant {
    let mut grant = Grant::new(FEBRUARY - 5);
    for write in writes {
        grant.write(write);
    }
    grant
}

proptest! {
    /// However a stream's records come, the end is the same, and it is what the gateway did: by hour and by terms, in a month
    /// and in any part of it; and what was sealed of a month is the sum of its hours.
    #[test]
    fn images_shuffled_doubled_and_late_end_in_the_same_state(writes in writes(), order in prop::collection::vec((any::<u16>(), any::<u16>()), 61), batch in 1_usize..9, from in -6_i64..20) {
        let grant = written(&writes);
        let in_order = Kept::of(&grant.records);

        let mut delivered: Vec<(u16, _)> = grant.records.iter().zip(&order).flat_map(|(record, (once, twice))| [(*once, record.clone()), (*twice, record.clone())]).collect();
        delivered.sort_by_key(|(when, _)| *when);
        let delivered: Vec<_> = delivered.into_iter().map(|(_, record)| record).collect();
        let mut shuffled = Kept::default();
        delivered.chunks(batch).for_each(|records| shuffled.take(records));

        prop_assert_eq!(&shuffled.buckets, &in_order.buckets);
        prop_assert_eq!(&shuffled.head, &in_order.head);
        prop_assert_eq!(&shuffled.ended, &in_order.ended);
        let counts = |kept: &Kept| kept.calls.iter().map(|(key, (_, calls))| (key.clone(), *calls)).collect::<Vec<_>>();
        prop_assert_eq!(counts(&shuffled), counts(&in_order));
        prop_assert_eq!(in_order.head.unwrap().hour, grant.image.bh);

        let ranges = [FEBRUARY - 9..FEBRUARY + 99, FEBRUARY - 9..FEBRUARY, FEBRUARY..FEBRUARY + 99, FEBRUARY + from..FEBRUARY + from + 4];
        for hours in ranges {
            let report = in_order.report(hours.clone());
            let (sums, terms) = grant.truth(hours);
            prop_assert_eq!(&report.by_hour, &sums);
            prop_assert_eq!(report.total.units, terms.values().sum::<i64>());
            prop_assert_eq!(&report.by_terms, &terms);
            prop_assert_eq!(report.by_key.values().map(|calls| calls.admitted).sum::<u64>(), report.total.admitted);
            prop_assert_eq!(report.by_operation.values().map(|calls| calls.failed).sum::<u64>(), report.total.failed);
        }
        let whole = in_order.report(0..i64::MAX / 3_600_000);
        prop_assert_eq!(whole.total.units, signed(grant.image.la) - signed(grant.image.lf));
        for Ended { month, terms, net, .. } in in_order.ended.values().copied() {
            let hours = in_order.report(month..month_of(month + 40 * 24));
            prop_assert_eq!(hours.by_terms.get(&terms).copied().unwrap_or_default(), net);
        }
    }

    /// Whatever is missing, no hour before the moment that is told lacks anything. (The record of a seal alone has what was
    /// given back between the month's end and it: where it is lost, the comparison with the seal shows it.)
    #[test]
    fn no_hour_that_is_told_whole_lacks_anything(writes in writes(), lost in prop::collection::vec(prop::bool::weighted(0.15), 61)) {
        let grant = written(&writes);
        let records: Vec<_> = grant.records.iter().zip(&lost).enumerate().filter(|(at, (_, lost))| !**lost || grant.seals.contains(at)).map(|(_, (record, _))| record.clone()).collect();
        let kept = Kept::of(&records);
        let hours = FEBRUARY - 9..FEBRUARY + 99;
        let whole = kept.numbers(hours.clone(), true).complete_to(Time::of_hour(FEBRUARY - 9)).hour();
        let report = kept.report(hours);
        for (hour, truth) in grant.hours.range(..whole) {
            prop_assert_eq!(report.by_hour.get(hour).copied().unwrap_or_default(), *truth, "hour {} of {}", hour, whole);
        }
    }
}

fn image(v: u64, b: u64, hour: i64, calls: u64, units: u64) -> GrantImage {
    GrantImage {
        pk: "sub_1".into(),
        v,
        b,
        bh: hour,
        pr: 1,
        c: BTreeMap::from([("1.1.1.0".into(), calls)]),
        p: BTreeMap::from([(period_key(hour, 1), units)]),
        ..GrantImage::default()
    }
}

#[test]
fn the_old_image_of_a_turn_closes_its_bucket() {
    let mut batch = Batch::default();
    let hour = FEBRUARY;
    batch.grant(Some(image(9, 4, hour, 3, 30)), Some(image(10, 5, hour + 1, 1, 31))).unwrap();
    let bucket = |number| batch.buckets.get(&("sub_1".to_owned(), number)).unwrap();
    assert!(bucket(4).closed && !bucket(5).closed);
    assert_eq!((bucket(4).v, &bucket(4).p), (9, &BTreeMap::from([(format!("{FEBRUARY}.1"), 30)])));
    assert!(batch.made.is_empty() && batch.ended.is_empty());
}

#[test]
fn units_are_differences_of_the_months_sums_whatever_a_call_weighs() {
    let (hour, hours) = (FEBRUARY + 20, FEBRUARY..FEBRUARY + 40);
    let buckets = vec![Bucket::of(image(9, 4, hour, 3, 130), true), Bucket::of(image(10, 5, hour + 1, 1, 135), false)];
    let before = Some(Bucket::of(image(5, 3, hour - 1, 1, 100), true));
    let known = Numbers { before, buckets: buckets.clone(), ..Numbers::default() };
    let sums = known.report(hours.clone()).unwrap();
    assert_eq!(sums.by_hour.values().map(|hour| hour.units).collect::<Vec<_>>(), [30, 5]);
    // Without the bucket before, and not the first of the grant: calls weigh one until it comes.
    let sums = Numbers { buckets, ..Numbers::default() }.report(hours).unwrap();
    assert_eq!((sums.total.units, sums.by_terms), (3 + 5, BTreeMap::from([(1, 3 + 5)])));
}

#[test]
fn a_late_refund_belongs_to_the_last_hour_of_its_month_whichever_image_tells_it() {
    let january = period_key(FEBRUARY - 1, 1);
    let last = Bucket::of(image(4, 1, FEBRUARY - 2, 5, 50), true);
    let mut turned = image(7, 2, FEBRUARY, 1, 3);
    turned.p.insert(january.clone(), 50);
    turned.q.insert(january.clone(), 10);
    turned.f.insert("1.1.1.0-".into(), 1);
    // The same bucket after the seal took January out.
    let mut sealed = turned.clone();
    (sealed.v, sealed.p, sealed.q) = (8, image(8, 2, FEBRUARY, 1, 3).p, BTreeMap::new());
    let mut batch = Batch::default();
    batch.grant(Some(turned.clone()), Some(sealed.clone())).unwrap();
    let ended: Vec<_> = batch.ended.into_values().collect();
    assert_eq!(ended, [Ended { month: month_of(FEBRUARY - 1), terms: 1, net: 40, b: 2, revision: 1 }]);
    for (image, ended) in [(turned, vec![]), (sealed, ended)] {
        let numbers = Numbers {
            head: Some(Head { first: 1, next: 2, hour: FEBRUARY }),
            buckets: vec![last.clone(), Bucket::of(image, false)],
            ended,
            ..Numbers::default()
        };
        let month = numbers.report(FEBRUARY - 9..FEBRUARY).unwrap();
        let hours: Vec<_> = month
            .by_hour
            .iter()
            .map(|(hour, sums)| (hour - FEBRUARY, sums.admitted, sums.failed, sums.units))
            .collect();
        assert_eq!(hours, [(-2, 5, 0, 50), (-1, 0, 1, -10)]);
        let next = Numbers { before: Some(last.clone()), buckets: numbers.buckets[1..].to_vec(), ..numbers.clone() };
        let next = next.report(FEBRUARY..FEBRUARY + 9).unwrap();
        assert_eq!((next.total.admitted, next.total.failed, next.total.units), (1, 0, 3));
    }
}

#[test]
fn a_months_last_hour_is_told_whole_when_its_refunds_are_in() {
    let made = Time::of_hour(FEBRUARY - 48);
    let told = |hour: i64, ended: Vec<Ended>| {
        let numbers = Numbers { head: Some(Head { first: 1, next: 3, hour }), ended, ..Numbers::default() };
        numbers.complete_to(made).hour() - FEBRUARY
    };
    assert_eq!(told(FEBRUARY - 3, vec![]), -3);
    assert_eq!(told(FEBRUARY, vec![]), -1);
    let sealed_in = |b| vec![Ended { month: month_of(FEBRUARY - 1), terms: 1, net: 0, b, revision: 1 }];
    assert_eq!(told(FEBRUARY, sealed_in(3)), 0);
    // A bucket between the month's end and the seal is missing: a refund may stand in it.
    assert_eq!(told(FEBRUARY, sealed_in(4)), -1);
    assert_eq!(told(FEBRUARY + 1, vec![]), 1);
}

#[test]
fn a_bucket_whose_last_record_was_lost_is_passed_when_the_next_one_began_with_the_next_version() {
    let open = Bucket::of(image(7, 1, FEBRUARY, 3, 3), false);
    let next = |b, bv| Bucket { bv, ..Bucket::of(image(10, b, FEBRUARY + 1, 300, 9), false) };
    let passed = |next: Bucket| Head::new(1, FEBRUARY).advance([&open, &next]);
    assert_eq!(passed(next(2, 8)), Head { first: 1, next: 2, hour: FEBRUARY + 1 });
    // Version 8 counted in the first bucket still, or nobody can know.
    assert_eq!(passed(next(2, 9)), Head { first: 1, next: 1, hour: FEBRUARY });
    assert_eq!(passed(next(2, 0)), Head { first: 1, next: 1, hour: FEBRUARY });
    assert!(!next(3, 8).ends(&open), "a bucket lies between");
}

#[test]
fn an_hour_with_very_many_counters_is_folded_into_several_rows() {
    let bucket = |b: u64, hour: i64, counters: u32| Bucket {
        c: (0..counters)
            .map(|n| (Counter { key: u32::try_from(b / 2).unwrap(), api: 1, version: 1, operation: n }.to_string(), 1))
            .collect(),
        ..Bucket::of(image(b, b, hour, 1, b), true)
    };
    let rows = fold([bucket(1, 7, 900), bucket(2, 7, 900), bucket(3, 7, 900), bucket(4, 8, 5), bucket(5, 8, 3)]);
    let told: Vec<_> = rows.iter().map(|row| (row.b, row.bh, row.c.len(), row.c.values().sum::<u64>())).collect();
    assert_eq!(told, [(2, 7, 1800, 1800), (3, 7, 900, 900), (5, 8, 5, 8)]);
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

#[test]
fn counts_may_be_open_for_two_hours_and_an_idle_grant_for_twenty_six() {
    let now = Time::of_hour(FEBRUARY);
    let ago = |hours, counts| Frontier { complete_to: Time::of_hour(FEBRUARY - hours), counts };
    assert!(is_complete([], now));
    for (frontier, complete) in [
        (ago(0, true), true),
        (ago(2, true), true),
        (ago(3, true), false),
        (ago(3, false), true),
        (ago(26, false), true),
        (ago(27, false), false),
        // The gateway's clock may be ahead of ours.
        (ago(-1, true), true),
    ] {
        assert_eq!(is_complete([frontier], now), complete, "{frontier:?}");
        assert_eq!(is_complete([ago(0, false), frontier, ago(1, true)], now), complete, "{frontier:?} among others");
    }
}
