//! The reference: what the grant may become by one write, and what a caller may be told. It knows nothing of buckets' fences,
//! writers and tries; it judges what was written by what was promised.

mod serving;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde::Deserialize;
use shared::event::SealState;
use shared::meter::{Counter, GrantImage, period_key, read_period_key};
use shared::time::Time;

use crate::script::{Asked, Limits};

/// Whether a promise held.
pub(crate) type Held<T = ()> = Result<T, TestCaseError>;

/// Who asked for a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    /// A call.
    Call(usize),
    /// A sandbox that settles what it has.
    Sandbox(usize),
    /// An event.
    Event(usize),
    /// The sweep.
    Sweep,
}

/// What a caller was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// Nothing yet.
    Nothing,
    /// Admitted, in the window with this end, and counted in this period.
    Yes { window: i64, period: String },
    /// Refused by the terms, for this reason.
    No(&'static str),
    /// 503: it may have been counted, or certainly not.
    Closed { unknown: bool, cause: String },
    /// Nothing ever: the sandbox was killed.
    Killed,
}

/// An event as the door is told it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A subscription's state.
    Subscription { revision: u64, active: bool, terms: u64 },
    /// A key's end, in seconds.
    Key { number: u32, not_after: i64 },
}

/// A grant's image.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Image {
    s: String,
    sr: u64,
    pr: u64,
    wk: String,
    pe: i64,
    u: i64,
    #[serde(rename = "T")]
    t: i64,
    k: BTreeMap<String, i64>,
    se: BTreeMap<String, u64>,
    sq: BTreeMap<String, u64>,
    lo: i64,
    sl: i64,
    st: i64,
    sa: u64,
    sf: u64,
    #[serde(skip)]
    meter: GrantImage,
}

impl Image {
    fn of(item: &serde_json::Value) -> Self {
        let meter = serde_json::from_value(item.clone()).unwrap();
        Self { meter, ..serde_json::from_value(item.clone()).unwrap() }
    }
}

#[derive(Clone, Debug)]
struct Call {
    asked: Asked,
    now: Time,
    /// What had been answered when the call began: revisions of subscription and terms, and the key's end.
    promised: (u64, u64, i64),
    /// How many images there were when it began.
    since: usize,
    told: Told,
    admitted: Option<Admission>,
    refunded: bool,
    /// Which sandbox serves it.
    sandbox: usize,
    /// Let through without a write: from which lease of its sandbox, and where it is to be counted.
    credit: Option<(usize, Admission)>,
}

#[derive(Clone, Debug)]
struct Admission {
    period: String,
    window: (String, i64),
    weight: i64,
}

/// The reference's state.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// The time, in milliseconds since 1970.
    pub(crate) clock_ms: i64,
    /// Whether anything went wrong, or a month was sealed, so that units may be left behind.
    pub(crate) disturbed: bool,
    images: Vec<Image>,
    /// When each image was written.
    written_ms: Vec<i64>,
    /// How many leases each sandbox had.
    leases: BTreeMap<usize, usize>,
    /// Old and new images in the order of the writes, as the stream has them.
    pub(crate) records: Vec<(Option<GrantImage>, Option<GrantImage>)>,
    /// By revision: whether it is active.
    active: BTreeMap<u64, bool>,
    terms: BTreeMap<u64, Limits>,
    ends: BTreeMap<u32, BTreeSet<i64>>,
    promised: (u64, u64),
    promised_ends: BTreeMap<u32, i64>,
    calls: Vec<Call>,
    /// Units by window: admitted and not given back.
    used: BTreeMap<(String, i64), i64>,
    /// Units admitted and given back, by [`period_key`].
    pub(crate) periods: BTreeMap<String, (u64, u64)>,
    /// The last rate limit: units, seconds, burst.
    pace: Option<(u32, u32, u32)>,
    /// Calls that it let through: milliseconds and units.
    paced: Vec<(i64, i64)>,
    /// Calls admitted and given back, by hour and counter.
    pub(crate) hours: BTreeMap<(i64, String), (u64, u64)>,
}

impl Truth {
    /// New terms were made; nobody was told of them yet.
    pub(crate) fn terms(&mut self, revision: u64, limits: Limits) {
        self.terms.insert(revision, limits);
    }

    /// The terms of a revision.
    pub(crate) fn limits(&self, revision: u64) -> Limits {
        self.terms[&revision]
    }

    /// The grant was prepared before the first step.
    pub(crate) fn prepared(&mut self, image: &serde_json::Value) {
        let image = Image::of(image);
        self.records.push((self.images.last().map(|last| last.meter.clone()), Some(image.meter.clone())));
        self.images.push(image);
        self.written_ms.push(self.clock_ms);
    }

    /// An event was made, so that any image may show it from now on.
    pub(crate) fn made(&mut self, event: Event) {
        match event {
            Event::Subscription { revision, active, .. } => drop(self.active.insert(revision, active)),
            Event::Key { number, not_after } => drop(self.ends.entry(number).or_default().insert(not_after)),
        }
    }

    /// An event was answered: it holds from now on.
    pub(crate) fn promised(&mut self, event: Event) -> Held {
        let image = self.images.last().unwrap();
        match event {
            Event::Subscription { revision, terms, .. } => {
                prop_assert!(image.sr >= revision && image.pr >= terms, "{event:?} was answered before it held");
                self.promised = (self.promised.0.max(revision), self.promised.1.max(terms));
            }
            Event::Key { number, not_after } => {
                let end = image.k.get(&number.to_string());
                prop_assert!(
                    end.is_some_and(|end| *end <= not_after),
                    "{event:?} was answered before it held: {end:?}"
                );
                let least = self.promised_ends.entry(number).or_insert(not_after);
                *least = not_after.min(*least);
            }
        }
        Ok(())
    }

    /// A call begins.
    pub(crate) fn begin(&mut self, asked: Asked, now: Time, sandbox: usize) -> usize {
        let end = self.promised_ends.get(&asked.key).copied().unwrap_or(i64::MAX);
        self.calls.push(Call {
            asked,
            now,
            promised: (self.promised.0, self.promised.1, end),
            since: self.images.len() - 1,
            told: Told::Nothing,
            admitted: None,
            refunded: false,
            sandbox,
            credit: None,
        });
        self.calls.len() - 1
    }

    /// Whether a call was told something.
    pub(crate) fn was_told(&self, call: usize) -> bool {
        self.calls[call].told != Told::Nothing
    }

    /// What a caller is told.
    pub(crate) fn told(&mut self, call: usize, told: Told) -> Held {
        let counted = self.calls[call].admitted.as_ref();
        match &told {
            Told::Nothing => unreachable!(),
            Told::Yes { window, period } => {
                let Some(admission) = counted else {
                    self.trusted(call, *window, period)?;
                    self.calls[call].told = told;
                    return self.keep_used(self.images.last().unwrap());
                };
                prop_assert_eq!(*window, admission.window.1, "call {} was counted in another window", call);
                prop_assert_eq!(period, &admission.period, "call {} was counted in another period", call);
            }
            Told::No(reason) => {
                prop_assert!(counted.is_none(), "call {call} was refused ({reason}) and counted");
                self.explain(call, reason)?;
            }
            Told::Closed { unknown, cause } => {
                prop_assert!(*unknown || counted.is_none(), "call {call} was counted without a word of it: {cause}");
            }
            Told::Killed => {}
        }
        self.calls[call].told = told;
        Ok(())
    }

    /// A call is let through without a write only on the word of a grant that admitted it not longer ago than two seconds.
    fn trusted(&mut self, number: usize, window: i64, period: &str) -> Held {
        let Call { asked, now, sandbox, .. } = self.calls[number].clone();
        let (_, revision) = read_period_key(period).unwrap();
        let terms = self.terms[&revision];
        prop_assert!(terms.leased, "call {number} was let through and not counted");
        let since_ms = now.ms() - 2_000;
        let admits = |(index, image): (usize, &Image)| {
            self.written_ms.get(index + 1).is_none_or(|until_ms| *until_ms > since_ms)
                && (image.s.as_str(), image.pr) == ("A", revision)
                && image.k.get(&asked.key.to_string()).is_some_and(|end| *end > now.seconds())
        };
        prop_assert!(
            self.images.iter().enumerate().any(admits),
            "call {number} passed what was told two seconds before"
        );
        prop_assert!(window > now.hour() && month(period) >= month(&period_key(now.hour(), 0)));
        let window = (terms.window_kind().to_owned(), window);
        let weight = i64::from(terms.weights[asked.operation as usize]);
        let lease = self.leases.get(&sandbox).copied().unwrap_or(0);
        self.calls[number].credit = Some((lease, Admission { period: period.to_owned(), window, weight }));
        Ok(())
    }

    /// A refusal needs a reason: some image since the call began says it.
    fn explain(&self, call: usize, reason: &'static str) -> Held {
        let Call { asked, now, since, .. } = &self.calls[call];
        let explains = |image: &Image| {
            let Some(terms) = self.terms.get(&image.pr) else { return false };
            let weight = i64::from(terms.weights[asked.operation as usize]);
            match reason {
                "inactive" => image.s != "A",
                "key" => image.k.get(&asked.key.to_string()).is_none_or(|end| *end <= now.seconds()),
                "quota" => terms.quota.is_some_and(|(units, _, hard)| {
                    let used = if now.hour() < image.pe { image.u } else { 0 };
                    hard && used + weight > i64::try_from(units).unwrap()
                }),
                // A limiter with a coarse clock is stricter by two grains, each of an eighth of its tolerance at most.
                "rate" => terms.rate.is_some_and(|(calls, per_seconds, burst)| {
                    let unit_us = (i64::from(per_seconds) * 1_000_000).div_euclid(i64::from(calls)) + 1;
                    let slack_us = if unit_us <= 20_001 { i64::from(burst - 1) * unit_us / 4 } else { 0 };
                    let tolerance_us = (i64::from(burst) - weight).max(0) * unit_us;
                    image.t - now.ms() * 1000 > tolerance_us - slack_us - i64::from(burst)
                }),
                _ => false,
            }
        };
        prop_assert!(self.images[*since..].iter().any(explains), "call {call} was refused ({reason}) without a reason");
        Ok(())
    }

    /// A grant was written.
    pub(crate) fn wrote(&mut self, by: By, old: Option<&serde_json::Value>, new: &serde_json::Value) -> Held {
        let new = Image::of(new);
        let old = old.map(Image::of);
        if let Some(old) = &old {
            self.judge(by, old, &new)?;
        }
        self.records.push((old.map(|old| old.meter), Some(new.meter.clone())));
        self.images.push(new);
        self.written_ms.push(self.clock_ms);
        Ok(())
    }

    fn judge(&mut self, by: By, old: &Image, new: &Image) -> Held {
        prop_assert_eq!(new.meter.v, old.meter.v + 1, "every write raises the version by one");
        let turned = new.meter.b - old.meter.b;
        prop_assert!(turned <= 1 && new.meter.bh >= old.meter.bh, "buckets turn one by one, and never back");
        prop_assert!(new.sr >= old.sr && new.pr >= old.pr, "what is told late changes nothing");
        prop_assert!(new.pr == old.pr || turned == 1, "a bucket's calls are admitted under one revision");
        prop_assert!(
            old.k.iter().all(|(key, end)| new.k.get(key).is_some_and(|new| new <= end)),
            "a key's end is only ever lowered"
        );
        match by {
            By::Call(call) => self.served(self.calls[call].sandbox, Some(call), old, new)?,
            By::Sandbox(sandbox) => self.served(sandbox, None, old, new)?,
            By::Event(_) | By::Sweep => {
                prop_assert_eq!((new.meter.la, new.meter.lf, new.lo), (old.meter.la, old.meter.lf, old.lo));
            }
        }
        if let (true, Some(rate)) = (new.pr > old.pr, self.terms[&new.pr].rate)
            && self.pace != Some(rate)
        {
            (self.pace, self.paced) = (Some(rate), Vec::new());
        }
        self.keep_periods(old, new)?;
        self.keep_used(new)
    }

    /// A window's use is never forgotten. What was given back while other terms held may stay used, and what is out on leases is
    /// used, whether somebody was let through for it or not.
    fn keep_used(&self, image: &Image) -> Held {
        let window = (image.wk.clone(), image.pe);
        let used = self.used.get(&window).copied().unwrap_or(0);
        // Those that fail may have been given back to the lease of their sandbox already.
        let failed = |call: &&Call, place: &Admission| {
            call.asked.fails && !call.refunded && self.terms[&read_period_key(&place.period).unwrap().1].leased
        };
        let mut credit = 0;
        for call in &self.calls {
            match (&call.admitted, &call.credit) {
                (Some(place), _) if place.window == window && failed(&call, place) => credit -= place.weight,
                (None, Some((_, place))) if place.window == window && !call.asked.fails => credit += place.weight,
                _ => {}
            }
        }
        prop_assert!(
            image.u >= used + credit,
            "the window has {used} used units and {credit} on leases, and the grant says {}",
            image.u
        );
        let kinds: BTreeSet<&str> = self.terms.values().map(Limits::window_kind).collect();
        if kinds.len() == 1 {
            prop_assert!(image.u <= used + image.lo, "a quota of one kind of window is exact but for leases");
        }
        prop_assert!(image.lo >= 0 && (image.lo == 0 || self.terms.values().any(|terms| terms.leased)));
        Ok(())
    }

    /// Every unit is in one place: in its period, taken out to be sealed, or told.
    fn keep_periods(&self, old: &Image, new: &Image) -> Held {
        prop_assert!(new.sl >= old.sl && new.st >= old.st && new.sl >= new.st, "months are sealed one after the other");
        let sum = |map: &BTreeMap<String, u64>| map.values().sum::<u64>();
        prop_assert_eq!(new.meter.la, new.sa + sum(&new.se) + sum(&new.meter.p), "all units admitted");
        prop_assert_eq!(new.meter.lf, new.sf + sum(&new.sq) + sum(&new.meter.q), "all units given back");
        for (period, counts) in &self.periods {
            let found = |admitted: &BTreeMap<String, u64>, refunded: &BTreeMap<String, u64>| {
                Some((*admitted.get(period)?, refunded.get(period).copied().unwrap_or(0)))
            };
            match (found(&new.meter.p, &new.meter.q), found(&new.se, &new.sq)) {
                (Some(open), None) => prop_assert_eq!(&open, counts, "the period {}", period),
                (None, Some(taken)) => prop_assert_eq!(&taken, counts, "the period {}", period),
                (None, None) => prop_assert!(month(period) < new.st, "the period {period} is lost"),
                (Some(_), Some(_)) => prop_assert!(false, "the period {period} is in two places"),
            }
        }
        Ok(())
    }

    /// The seals are whole, without a gap, and each was told once.
    fn keep_seals(&self, rows: &[serde_json::Value], outbox: &[serde_json::Value]) -> Held {
        let last = self.images.last().unwrap();
        let (mut next, mut before) = (None, (0, 0));
        let mut sealed: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for row in rows {
            let seal: SealState = serde_json::from_str(row["seal"].as_str().unwrap()).unwrap();
            prop_assert!(next.is_none_or(|next| next == seal.from), "a month without a seal before {}", seal.id);
            prop_assert_eq!((seal.admitted_before, seal.refunded_before), before, "before {}", seal.id);
            for terms in &seal.terms {
                before = (before.0 + terms.admitted, before.1 + terms.refunded);
                sealed.insert(period_key(seal.from.hour(), terms.revision), (terms.admitted, terms.refunded));
            }
            next = Some(seal.to);
        }
        sealed.retain(|_, counts| *counts != (0, 0));
        prop_assert_eq!(&sealed, &self.periods, "what was sealed");
        prop_assert_eq!(outbox.len(), rows.len(), "each seal is told once");
        prop_assert_eq!(next.map(Time::hour), Some(last.sl));
        prop_assert_eq!((last.sa, last.sf), (last.meter.la, last.meter.lf), "all is sealed");
        Ok(())
    }

    /// Never more than the burst and what the elapsed time allows, in whatever interval of the requests' times. A call that is
    /// heavier than the burst counts as one.
    fn keep_pace(&self) -> Held {
        let Some((calls, per_seconds, burst)) = self.pace else { return Ok(()) };
        let mut all = self.paced.clone();
        all.sort_unstable();
        for (first, (from, _)) in all.iter().enumerate() {
            let (mut sum, mut heaviest) = (0, i64::from(burst));
            for (to, units) in &all[first..] {
                sum += units;
                heaviest = heaviest.max(*units);
                let allowed = (to - from) * i64::from(calls);
                let over = (sum - heaviest) * i64::from(per_seconds) * 1000;
                prop_assert!(over <= allowed, "{sum} units within {} ms at {:?}", to - from, self.pace);
            }
        }
        Ok(())
    }

    /// At the end the sums are the calls'.
    pub(crate) fn end(&self, seals: &[serde_json::Value], outbox: &[serde_json::Value]) -> Held {
        self.keep_seals(seals, outbox)?;
        let last = self.images.last().unwrap();
        let counted = |call: &&Call| call.admitted.is_some();
        let weight = |call: &Call| call.admitted.as_ref().map_or(0, |admission| admission.weight);
        let admitted: i64 = self.calls.iter().map(weight).sum();
        let refunded: i64 = self.calls.iter().filter(|call| call.refunded).map(weight).sum();
        prop_assert_eq!((units(last.meter.la, 0), units(last.meter.lf, 0)), (admitted, refunded));
        // What was let through from a lease that nobody settled is not counted, and its units stay used.
        let uncounted: i64 =
            self.calls.iter().filter(|call| call.admitted.is_none() && !call.asked.fails).map(Call::on_credit).sum();
        prop_assert!(
            uncounted <= last.lo,
            "{} units were let through and never counted, and {} are out",
            uncounted,
            last.lo
        );
        if !self.disturbed {
            prop_assert_eq!(last.lo, 0, "all leases were settled");
        }
        let told =
            |call: &&Call| matches!(call.told, Told::Yes { .. }) && (call.credit.is_none() || call.admitted.is_some());
        let doubtful = |call: &&Call| matches!(call.told, Told::Killed | Told::Closed { unknown: true, .. });
        let yes = self.calls.iter().filter(told).count();
        let all = self.calls.iter().filter(counted).count();
        prop_assert!(yes <= all && all <= yes + self.calls.iter().filter(doubtful).count());
        prop_assert!(self.calls.iter().all(|call| call.told != Told::Nothing), "somebody waits for ever");
        Ok(())
    }
}

impl Call {
    fn counter(&self) -> String {
        self.asked.counter()
    }

    /// Its counter in this image, if it belongs to this period.
    fn name(&self, period: &str, image: &Image) -> String {
        let same_month = month(period) == month(&period_key(image.meter.bh, 0));
        format!("{}{}", self.counter(), if same_month { "" } else { "-" })
    }

    /// The units that it got without a write.
    fn on_credit(&self) -> i64 {
        self.credit.as_ref().map_or(0, |(_, place)| place.weight)
    }
}

impl Asked {
    /// What it counts.
    fn counter(&self) -> String {
        Counter { key: self.key, api: 1, version: 1, operation: self.operation }.to_string()
    }
}

/// The month of a period's name, as the hour of its beginning.
fn month(period: &str) -> i64 {
    read_period_key(period).unwrap().0
}

fn units(new: u64, old: u64) -> i64 {
    i64::try_from(new).unwrap() - i64::try_from(old).unwrap()
}
