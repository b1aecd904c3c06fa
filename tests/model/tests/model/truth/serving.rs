//! What one write of a sandbox may count: its own call, those that it let through without a write, those that failed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use shared::meter::period_key;

use super::{Admission, Call, Held, Image, Told, Truth, month, units};

impl Truth {
    /// A sandbox wrote: for a call of its own, for those that it let through without a write, or for both.
    pub(super) fn served(&mut self, sandbox: usize, own: Option<usize>, old: &Image, new: &Image) -> Held {
        let turned = new.meter.b > old.meter.b;
        let change = |old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>| {
            let before = |name: &String| if turned { 0 } else { old.get(name).copied().unwrap_or(0) };
            let kept = turned || old.keys().all(|name| new.contains_key(name));
            let change: BTreeMap<String, u64> =
                new.iter().map(|(name, count)| (name.clone(), count - before(name))).filter(|(_, n)| *n > 0).collect();
            kept.then_some(change).ok_or_else(|| TestCaseError::fail("a count is gone"))
        };
        let (counted, back) = (change(&old.meter.c, &new.meter.c)?, change(&old.meter.f, &new.meter.f)?);
        let lease = self.leases.get(&sandbox).copied().unwrap_or(0);
        let is_open = |call: &Call| {
            call.sandbox == sandbox
                && call.admitted.is_none()
                && call.credit.as_ref().is_some_and(|(of, _)| *of == lease)
        };
        let open: Vec<usize> = (0..self.calls.len()).filter(|number| is_open(&self.calls[*number])).collect();
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        for number in &open {
            let (_, place) = self.calls[*number].credit.as_ref().unwrap();
            *names.entry(self.calls[*number].name(&place.period, new)).or_default() += 1;
        }
        let mut with_own = names.clone();
        if let Some(own) = own {
            *with_own.entry(self.calls[own].counter()).or_default() += 1;
        }
        let alone = own.map(|own| BTreeMap::from([(self.calls[own].counter(), 1)]));
        let (settles, admits) = match &counted {
            counted if own.is_some() && *counted == with_own => (true, true),
            counted if counted.is_empty() && new.lo == old.lo => (false, false),
            counted if *counted == names && new.lo < old.lo => (true, false),
            counted if alone.as_ref() == Some(counted) => (false, true),
            other => return Err(TestCaseError::fail(format!("{other:?} was counted of {names:?} and {alone:?}"))),
        };
        let mut admitted = 0;
        for number in open.iter().filter(|_| settles) {
            let (_, place) = self.calls[*number].credit.clone().unwrap();
            admitted += place.weight;
            self.count(*number, place, new)?;
        }
        let own_units = units(new.meter.la, old.meter.la) - admitted;
        if let (true, Some(own)) = (admits, own) {
            self.admitted(own, old, new, own_units)?;
        } else {
            prop_assert_eq!(own_units, 0, "units without a call");
            let same = (new.pe, new.t, &new.k, turned) == (old.pe, old.t, &old.k, false);
            prop_assert!(same && new.lo <= old.lo, "who admits nobody takes nothing");
            let less = old.u - new.u;
            let most = old.lo - new.lo + units(new.meter.lf, old.meter.lf);
            prop_assert!((0..=most).contains(&less), "{less} units came back");
        }
        if settles || new.lo > old.lo || (admits && open.is_empty()) {
            *self.leases.entry(sandbox).or_default() += 1;
        }
        self.refunded(sandbox, old, new, &back)?;
        if let (true, Some((quota, _, true))) = (admits, self.terms[&new.pr].quota) {
            let window = (new.wk.clone(), new.pe);
            let (used, quota) = (self.used[&window], i64::try_from(quota).unwrap());
            prop_assert!(
                used <= quota && new.u <= quota,
                "{used} of {quota} units in {window:?}, by the grant {}",
                new.u
            );
        }
        Ok(())
    }

    /// A call is counted there.
    fn count(&mut self, number: usize, place: Admission, new: &Image) -> Held {
        prop_assert!(month(&place.period) >= new.sl, "call {number} is counted in a month that is sealed");
        let name = self.calls[number].name(&place.period, new);
        *self.used.entry(place.window.clone()).or_default() += place.weight;
        self.hours.entry((new.meter.bh, name)).or_default().0 += 1;
        self.periods.entry(place.period.clone()).or_default().0 += place.weight.unsigned_abs();
        self.calls[number].admitted = Some(place);
        Ok(())
    }

    fn admitted(&mut self, number: usize, old: &Image, new: &Image, units: i64) -> Held {
        let call = self.calls[number].clone();
        prop_assert!(call.admitted.is_none(), "call {number} is counted twice");
        let silent = matches!(call.told, Told::Nothing | Told::Killed | Told::Closed { unknown: true, .. });
        prop_assert!(silent, "call {number} is counted after it was told {:?}", call.told);

        let (revision, terms_revision, end) = call.promised;
        let active = old.s == "A" && self.active[&old.sr];
        prop_assert!(active && old.sr >= revision, "call {number} passed a state that was answered");
        prop_assert!(old.pr >= terms_revision && new.pr == old.pr, "call {number} passed limits that were answered");
        let have = old.k.get(&call.asked.key.to_string()).copied().unwrap_or(0);
        prop_assert!(have > call.now.seconds(), "call {number} passed with a key that had ended");
        prop_assert!(have <= end, "call {number} passed a key's end that was answered");
        prop_assert!(self.ends[&call.asked.key].contains(&have), "nobody gave key {} this end", call.asked.key);

        let terms = self.terms[&old.pr];
        prop_assert_eq!(units, i64::from(terms.weights[call.asked.operation as usize]), "the units of call {}", number);
        prop_assert_eq!(new.meter.bh, old.meter.bh.max(call.now.hour()), "the hour of call {}", number);
        prop_assert_eq!(&new.wk, terms.window_kind());
        prop_assert!(new.pe > call.now.hour(), "call {number} is counted in a window that was over");

        let window = (new.wk.clone(), new.pe);
        let period = period_key(new.meter.bh, new.pr);
        self.count(number, Admission { period, window: window.clone(), weight: units }, new)?;
        if terms.rate.is_some() {
            // A block moves the limiter when it is taken; what was left of the one before has moved it already.
            let taken = if new.pe == old.pe { new.u - old.u } else { new.u };
            self.paced.push((call.now.ms(), taken.max(0)));
            self.keep_pace()?;
        }
        Ok(())
    }

    /// Calls were given back: each of them failed, and was counted in this period and not given back before.
    fn refunded(&mut self, sandbox: usize, old: &Image, new: &Image, back: &BTreeMap<String, u64>) -> Held {
        let mut all = 0;
        // Several calls of one counter may be in progress, under terms of several revisions.
        let before = |period: &String| old.meter.q.get(period).copied().unwrap_or(0);
        let mut periods: BTreeMap<&String, i64> =
            new.meter.q.iter().map(|(period, q)| (period, units(*q, before(period)))).collect();
        for (name, count) in back {
            for _ in 0..*count {
                let is_it = |call: &Call| {
                    let is_its = |place: &Admission| {
                        call.name(&place.period, new) == *name
                            && new.meter.p.contains_key(&place.period)
                            && periods.get(&place.period).is_some_and(|left| *left >= place.weight)
                    };
                    call.sandbox == sandbox
                        && call.asked.fails
                        && !call.refunded
                        && matches!(call.told, Told::Yes { .. })
                        && call.admitted.as_ref().is_some_and(is_its)
                };
                let Some(number) = self.calls.iter().position(is_it) else {
                    return Err(TestCaseError::fail(format!("a call of {name} was given back for nothing")));
                };
                let place = self.calls[number].admitted.clone().unwrap();
                all += place.weight;
                if let Some(left) = periods.get_mut(&place.period) {
                    *left -= place.weight;
                }
                self.periods.entry(place.period).or_default().1 += place.weight.unsigned_abs();
                *self.used.entry(place.window).or_default() -= place.weight;
                self.hours.entry((new.meter.bh, name.clone())).or_default().1 += 1;
                self.calls[number].refunded = true;
            }
        }
        prop_assert_eq!(units(new.meter.lf, old.meter.lf), all, "units are given back as they were counted");
        Ok(())
    }
}
