//! The grant item, and the one conditional write that admits a call. No async, no AWS client: expressions and what an
//! image says, so that every branch can be tried by itself.
//!
//! The write and its reasons:
//! - `b = :b` fences: a request that was delayed from an earlier bucket can never apply, so old writers may be forgotten;
//! - writer and sequence (`w0`, `w1`, by the bucket's parity): a retry recognises itself, so nothing is counted twice;
//! - `k.{n} > :s` is existence, expiry, rotation and revocation of a key in one comparison, because a revoked one is 0;
//! - `u <= :cap` with `cap = quota - weight`, valid because `pr = :pr`: never one unit over a hard quota;
//! - `T` is GCRA's theoretical arrival time.

use std::collections::HashMap;

use serde::Deserialize;
use shared::meter::Counter;
use shared::time::Time;

use crate::plan::{Plan, us};

/// An item over this size turns its page: a write is billed by started kilobytes.
const PAGE_BYTES: usize = 850;
/// No page turn this soon after another turn, nor this close to the hour's end: two turns must not pass within one retry.
const TURN_PAUSE_MS: i64 = 10_000;
const HOUR_MS: i64 = 3_600_000;

/// A grant's image.
#[derive(Clone, Debug, Deserialize)]
pub struct Grant {
    /// State: `A` active, `S` suspended, `C` cancelled, `R` requested, `N` not known yet.
    pub s: String,
    /// Revision of the terms.
    pub pr: u64,
    /// The kind of the quota window: `M` month, `D` day, `N` none.
    pub wk: String,
    /// End of the quota window, an hour number.
    pub pe: i64,
    /// Units used in the window.
    pub u: i64,
    /// Theoretical arrival time, in microseconds.
    #[serde(rename = "T")]
    pub t: i64,
    /// The bucket's number.
    pub b: u64,
    /// The bucket's hour.
    pub bh: i64,
    /// Writers of even buckets, by their last sequence.
    pub w0: HashMap<String, u64>,
    /// Writers of odd buckets.
    pub w1: HashMap<String, u64>,
    /// Keys by number: not after, in seconds since 1970.
    pub k: HashMap<String, i64>,
    /// Calls admitted in the bucket.
    pub c: HashMap<String, u64>,
    /// Calls given back in the bucket.
    pub f: HashMap<String, u64>,
}

impl Grant {
    /// The last sequence of this writer that was applied, as far as the grant remembers it: two buckets. A sandbox serves
    /// one call at a time, so it is the sequence of this call or of one before it.
    #[must_use]
    pub fn last_of(&self, writer: &str) -> Option<u64> {
        [&self.w0, &self.w1].iter().filter_map(|writers| writers.get(writer).copied()).max()
    }

    /// The item's size in bytes by DynamoDB's rules, near enough: names, numbers of some five bytes, three for each map.
    #[must_use]
    pub fn size(&self) -> usize {
        const FIXED: usize = 150;
        let entries = |map: &HashMap<String, u64>| map.keys().map(|name| name.len() + 4).sum::<usize>();
        let keys: usize = self.k.keys().map(|name| name.len() + 8).sum();
        FIXED + entries(&self.w0) + entries(&self.w1) + entries(&self.c) + entries(&self.f) + keys
    }
}

/// One call that asks to be admitted.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request's time.
    pub now: Time,
    /// What is counted.
    pub counter: Counter,
    /// The call's units.
    pub weight: i64,
    /// This sandbox.
    pub writer: String,
    /// This call's number in the sandbox.
    pub sequence: u64,
}

/// Why a call is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The subscription is not active.
    Inactive,
    /// The key is not one of the grant's, or its time has passed, or it was revoked.
    Key,
    /// The quota is used up until this time.
    Quota {
        /// The window's end.
        until: Time,
    },
    /// Too fast: this many milliseconds too early.
    Rate {
        /// Milliseconds to wait.
        wait_ms: i64,
    },
}

/// A value of an expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number.
    N(i64),
    /// A text.
    S(&'static str),
    /// A map with one number, or none.
    M(Option<(String, i64)>),
}

/// A conditional update: expressions with their names and values, none of them unused (DynamoDB refuses that).
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// `SET …`
    pub update: String,
    /// The condition.
    pub condition: String,
    /// `#name` -> attribute.
    pub names: Vec<(&'static str, String)>,
    /// `:value` -> value.
    pub values: Vec<(&'static str, Value)>,
}

fn generation(bucket: u64) -> String {
    if bucket.is_multiple_of(2) { "w0".to_owned() } else { "w1".to_owned() }
}

/// Why the image refuses a call, if it does. The order is what a caller is told first.
#[must_use]
pub fn refusal(grant: &Grant, plan: &Plan, call: &Call) -> Option<Refusal> {
    if grant.s != "A" {
        return Some(Refusal::Inactive);
    }
    if grant.k.get(&call.counter.key.to_string()).is_none_or(|not_after| *not_after <= call.now.seconds()) {
        return Some(Refusal::Key);
    }
    if let Some(quota) = plan.quota.filter(|quota| quota.hard) {
        let used = if window_turns(grant, call) { 0 } else { grant.u };
        if used > quota.units - call.weight {
            return Some(Refusal::Quota { until: Time::of_hour(window(grant, plan, call)) });
        }
    }
    if let Some(rate) = plan.rate {
        let over = grant.t - us(call.now) - rate.tolerance_us(call.weight);
        if over > 0 {
            return Some(Refusal::Rate { wait_ms: (over + 999) / 1000 });
        }
    }
    None
}

fn window_turns(grant: &Grant, call: &Call) -> bool {
    call.now.hour() >= grant.pe
}

/// The end of the quota window that a call is counted in.
#[must_use]
pub fn window(grant: &Grant, plan: &Plan, call: &Call) -> i64 {
    if window_turns(grant, call) { plan.window_end(call.now) } else { grant.pe }
}

/// Whether this call turns the bucket: at a new hour, or when the item has grown over its page. `seen_ms` is when this
/// sandbox first saw the bucket.
#[must_use]
pub fn turns(grant: &Grant, call: &Call, seen_ms: i64) -> bool {
    let now_ms = call.now.ms();
    let hour = call.now.hour() > grant.bh;
    let page = grant.size() > PAGE_BYTES
        && now_ms - seen_ms >= TURN_PAUSE_MS
        && HOUR_MS - now_ms.rem_euclid(HOUR_MS) > TURN_PAUSE_MS;
    hour || page
}

/// The write that admits a call if the grant still is as this image says, as far as that matters.
#[must_use]
pub fn admission(grant: &Grant, plan: &Plan, call: &Call, turn: bool) -> Update {
    let mut set = vec!["#v = #v + :one", "#la = #la + :wt"];
    let mut condition = vec!["#s = :A", "#pr = :pr", "#k.#kid > :ns", "#b = :b", "#pe = :pe"];
    let mut names = vec![
        ("#v", "v".to_owned()),
        ("#la", "la".to_owned()),
        ("#s", "s".to_owned()),
        ("#pr", "pr".to_owned()),
        ("#k", "k".to_owned()),
        ("#kid", call.counter.key.to_string()),
        ("#b", "b".to_owned()),
        ("#pe", "pe".to_owned()),
        ("#w", generation(grant.b)),
        ("#me", call.writer.clone()),
        ("#u", "u".to_owned()),
    ];
    let number = |number: u64| Value::N(i64::try_from(number).unwrap_or(i64::MAX));
    let mut values = vec![
        (":one", Value::N(1)),
        (":wt", Value::N(call.weight)),
        (":A", Value::S("A")),
        (":pr", number(plan.revision)),
        (":ns", Value::N(call.now.seconds())),
        (":b", number(grant.b)),
        (":pe", Value::N(grant.pe)),
        (":seq", number(call.sequence)),
    ];
    condition.push("(attribute_not_exists(#w.#me) OR #w.#me < :seq)");
    if turn {
        // Two paths into one map may not overlap: the new bucket's maps are written whole, with the first count in them.
        set.extend(["#b = :b1", "#bh = :h", "#wn = :fw", "#c = :fc", "#f = :e"]);
        names.extend([
            ("#bh", "bh".to_owned()),
            ("#wn", generation(grant.b + 1)),
            ("#c", "c".to_owned()),
            ("#f", "f".to_owned()),
        ]);
        values.extend([
            (":b1", number(grant.b + 1)),
            (":h", Value::N(call.now.hour().max(grant.bh))),
            (":fw", Value::M(Some((call.writer.clone(), i64::try_from(call.sequence).unwrap_or(i64::MAX))))),
            (":fc", Value::M(Some((call.counter.to_string(), 1)))),
            (":e", Value::M(None)),
        ]);
    } else {
        set.extend(["#w.#me = :seq", "#c.#op = if_not_exists(#c.#op, :z) + :one"]);
        names.extend([("#c", "c".to_owned()), ("#op", call.counter.to_string())]);
        values.push((":z", Value::N(0)));
    }
    if window_turns(grant, call) {
        set.extend(["#u = :wt", "#pe = :npe"]);
        values.push((":npe", Value::N(window(grant, plan, call))));
    } else {
        set.push("#u = #u + :wt");
        if let Some(quota) = plan.quota.filter(|quota| quota.hard) {
            condition.push("#u <= :cap");
            values.push((":cap", Value::N(quota.units - call.weight)));
        }
    }
    if let Some(rate) = plan.rate {
        names.push(("#T", "T".to_owned()));
        let now = us(call.now);
        let step = call.weight * rate.unit_us;
        values.push((":now", Value::N(now)));
        if grant.t <= now {
            set.push("#T = :next");
            condition.push("#T <= :now");
            values.push((":next", Value::N(now + step)));
        } else {
            set.push("#T = #T + :step");
            condition.push("#T > :now AND #T <= :lim");
            values.extend([(":step", Value::N(step)), (":lim", Value::N(now + rate.tolerance_us(call.weight)))]);
        }
    }
    Update { update: format!("SET {}", set.join(", ")), condition: condition.join(" AND "), names, values }
}

/// The write that gives a call's units back, once, if the bucket and the window still are as this image says. `admitted_pe`
/// is the window that the call was admitted in: a later window's use is never lowered.
#[must_use]
pub fn refund(grant: &Grant, call: &Call, sequence: u64, admitted_pe: i64) -> Update {
    let mut set =
        vec!["#v = #v + :one", "#lf = #lf + :wt", "#f.#op = if_not_exists(#f.#op, :z) + :one", "#w.#me = :seq"];
    let mut names = vec![
        ("#v", "v".to_owned()),
        ("#lf", "lf".to_owned()),
        ("#f", "f".to_owned()),
        ("#op", call.counter.to_string()),
        ("#w", generation(grant.b)),
        ("#me", call.writer.clone()),
        ("#b", "b".to_owned()),
        ("#pe", "pe".to_owned()),
    ];
    let mut condition = vec!["#b = :b", "#pe = :pe", "(attribute_not_exists(#w.#me) OR #w.#me < :seq)"];
    // New terms may have begun a window of the same end afresh: its use never falls below nothing.
    if grant.pe == admitted_pe && grant.u >= call.weight {
        set.push("#u = #u - :wt");
        condition.push("#u >= :wt");
        names.push(("#u", "u".to_owned()));
    }
    let number = |number: u64| Value::N(i64::try_from(number).unwrap_or(i64::MAX));
    Update {
        update: format!("SET {}", set.join(", ")),
        condition: condition.join(" AND "),
        names,
        values: vec![
            (":one", Value::N(1)),
            (":wt", Value::N(call.weight)),
            (":z", Value::N(0)),
            (":seq", number(sequence)),
            (":b", number(grant.b)),
            (":pe", Value::N(grant.pe)),
        ],
    }
}

/// The write after which no try of this call can apply any more: it takes the call's place among the writers, unless a try
/// was applied already.
#[must_use]
pub fn voiding(grant: &Grant, call: &Call, sequence: u64) -> Update {
    let number = |number: u64| Value::N(i64::try_from(number).unwrap_or(i64::MAX));
    Update {
        update: "SET #v = #v + :one, #w.#me = :void".to_owned(),
        condition: "#b = :b AND (attribute_not_exists(#w.#me) OR #w.#me < :seq)".to_owned(),
        names: vec![
            ("#v", "v".to_owned()),
            ("#b", "b".to_owned()),
            ("#w", generation(grant.b)),
            ("#me", call.writer.clone()),
        ],
        values: vec![
            (":one", Value::N(1)),
            (":b", number(grant.b)),
            (":seq", number(call.sequence)),
            (":void", number(sequence)),
        ],
    }
}

/// The write that closes the bucket of an idle grant when its hour is over.
#[must_use]
pub fn turn(grant: &Grant, hour: i64) -> Update {
    let number = |number: u64| Value::N(i64::try_from(number).unwrap_or(i64::MAX));
    Update {
        update: "SET #v = #v + :one, #b = :b1, #bh = :h, #wn = :e, #c = :e, #f = :e".to_owned(),
        condition: "#b = :b".to_owned(),
        names: vec![
            ("#v", "v".to_owned()),
            ("#b", "b".to_owned()),
            ("#bh", "bh".to_owned()),
            ("#wn", generation(grant.b + 1)),
            ("#c", "c".to_owned()),
            ("#f", "f".to_owned()),
        ],
        values: vec![
            (":one", Value::N(1)),
            (":b", number(grant.b)),
            (":b1", number(grant.b + 1)),
            (":h", Value::N(hour.max(grant.bh))),
            (":e", Value::M(None)),
        ],
    }
}

/// The write that brings a grant to new terms, if they are newer: it turns the bucket, so that every bucket's calls were
/// admitted under one revision.
///
/// A quota of the same kind of window goes on with what was used. Another kind has its own use: the old one is put aside
/// and found again when the terms come back to it, so that going to and fro gives nothing twice. In the same way the rate
/// limiter keeps how many units it is ahead.
#[must_use]
pub fn change(grant: &Grant, before: Option<&Plan>, plan: &Plan, now: Time) -> Update {
    let mut write = turn(grant, now.hour());
    let mut set = vec![" #pr = :pr"];
    write.condition.push_str(" AND #pr < :pr");
    write.names.push(("#pr", "pr".to_owned()));
    write.values.push((":pr", Value::N(i64::try_from(plan.revision).unwrap_or(i64::MAX))));
    if grant.wk != plan.window_kind() {
        set.extend([
            "#ua = #u",
            "#ea = #pe",
            "#u = if_not_exists(#ub, :z)",
            "#pe = if_not_exists(#eb, :npe)",
            "#wk = :wk",
        ]);
        write.names.extend([
            ("#u", "u".to_owned()),
            ("#pe", "pe".to_owned()),
            ("#ua", format!("u{}", grant.wk)),
            ("#ea", format!("e{}", grant.wk)),
            ("#ub", format!("u{}", plan.window_kind())),
            ("#eb", format!("e{}", plan.window_kind())),
            ("#wk", "wk".to_owned()),
        ]);
        write.values.extend([
            (":z", Value::N(0)),
            (":npe", Value::N(plan.window_end(now))),
            (":wk", Value::S(plan.window_kind())),
        ]);
    }
    if let Some(rate) = plan.rate {
        let ahead = i128::from((grant.t - us(now)).max(0));
        let before_us = before.and_then(|plan| plan.rate).map_or(rate.unit_us, |rate| rate.unit_us).max(1);
        let scaled = ahead * i128::from(rate.unit_us) / i128::from(before_us);
        let most = i128::from(rate.burst) * i128::from(rate.unit_us);
        set.push("#T = :t");
        write.names.push(("#T", "T".to_owned()));
        write.values.push((":t", Value::N(us(now) + i64::try_from(scaled.min(most)).unwrap_or(0))));
    }
    write.update.push(',');
    write.update.push_str(&set.join(", "));
    write
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::terms;
    use serde_json::json;

    fn grant() -> Grant {
        let map = || HashMap::new();
        Grant {
            s: "A".into(),
            pr: 3,
            wk: "D".into(),
            pe: 1000,
            u: 5,
            t: 0,
            b: 7,
            bh: 499,
            w0: map(),
            w1: map(),
            k: [("1".to_owned(), 9_999_999_999)].into(),
            c: map(),
            f: map(),
        }
    }

    fn call(now_ms: i64) -> Call {
        let counter = Counter { key: 1, api: 1, version: 1, operation: 7 };
        Call { now: Time::from_ms(now_ms), counter, weight: 2, writer: "me".into(), sequence: 41 }
    }

    /// Years 2000 and later only: hours since 1970 begin at 262,968.
    const HOUR: i64 = 300_000;

    fn recent() -> Grant {
        Grant { pe: HOUR + 100, bh: HOUR, ..grant() }
    }

    #[test]
    fn every_name_and_value_of_an_expression_is_used_and_every_use_has_one() {
        for (quota, rate) in [
            (json!(null), json!(null)),
            (json!({"calls": 10, "period": "day"}), json!({"calls": 5, "per_seconds": 1})),
            (json!({"calls": 10, "period": "month", "kind": "soft"}), json!(null)),
        ] {
            let mut with = json!({});
            if !quota.is_null() {
                with["quota"] = quota;
            }
            if !rate.is_null() {
                with["rate"] = rate;
            }
            let plan = Plan::new(3, &terms(&with));
            for t in [0, HOUR * 3_600_000_000 + 1_500_000] {
                for now_hour in [HOUR, HOUR + 1, HOUR + 100] {
                    for turn in [false, true] {
                        let grant = Grant { t, ..recent() };
                        check(&admission(&grant, &plan, &call(now_hour * HOUR_MS + 1), turn || now_hour > HOUR));
                    }
                }
            }
        }
        check(&refund(&recent(), &call(HOUR * HOUR_MS), 42, HOUR + 100));
        check(&refund(&recent(), &call(HOUR * HOUR_MS), 42, HOUR));
        check(&turn(&recent(), HOUR));
        check(&voiding(&recent(), &call(HOUR * HOUR_MS), 42));
        let rate = json!({"calls": 5, "per_seconds": 1});
        let day = json!({"calls": 9, "period": "day"});
        for json in [json!({}), json!({"quota": day}), json!({"rate": rate}), json!({"quota": day, "rate": rate})] {
            let plan = Plan::new(4, &terms(&json));
            check(&change(&recent(), None, &plan, Time::of_hour(HOUR)));
            check(&change(&recent(), Some(&plan), &plan, Time::of_hour(HOUR)));
        }
    }

    fn check(update: &Update) {
        let text = format!("{} {}", update.update, update.condition);
        let used: std::collections::HashSet<String> = text
            .split(|character: char| !(character.is_alphanumeric() || character == '#' || character == ':'))
            .filter(|word| word.starts_with('#') || word.starts_with(':'))
            .map(str::to_owned)
            .collect();
        let given: Vec<String> = update
            .names
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .chain(update.values.iter().map(|(name, _)| (*name).to_owned()))
            .collect();
        assert_eq!(given.len(), given.iter().collect::<std::collections::HashSet<_>>().len(), "{given:?}");
        assert_eq!(used, given.into_iter().collect(), "{text}");
    }

    #[test]
    fn refusals_come_in_their_order() {
        let plan = Plan::new(
            3,
            &terms(
                &json!({"quota": {"calls": 6, "period": "day"}, "rate": {"calls": 1, "per_seconds": 10, "burst": 2}}),
            ),
        );
        let call = call(HOUR * HOUR_MS);
        let full = Grant { t: i64::MAX / 2, ..recent() };
        assert_eq!(refusal(&Grant { s: "S".into(), ..full.clone() }, &plan, &call), Some(Refusal::Inactive));
        assert_eq!(
            refusal(&Grant { k: [("1".to_owned(), 0)].into(), ..full.clone() }, &plan, &call),
            Some(Refusal::Key)
        );
        assert_eq!(refusal(&full, &plan, &call), Some(Refusal::Quota { until: Time::of_hour(HOUR + 100) }));
        let room = Grant { u: 4, ..full };
        assert!(matches!(refusal(&room, &plan, &call), Some(Refusal::Rate { .. })));
        assert_eq!(refusal(&Grant { t: 0, ..room }, &plan, &call), None);
    }

    #[test]
    fn a_window_that_is_over_has_all_its_units_again() {
        let plan = Plan::new(3, &terms(&json!({"quota": {"calls": 6, "period": "day"}})));
        let grant = Grant { u: 6, pe: HOUR, ..recent() };
        assert_eq!(refusal(&grant, &plan, &call(HOUR * HOUR_MS)), None);
        assert!(refusal(&grant, &plan, &call(HOUR * HOUR_MS - 1)).is_some());
    }

    #[test]
    fn going_to_other_terms_and_back_gives_no_quota_and_no_burst_twice() {
        let day = Plan::new(
            4,
            &terms(
                &json!({"quota": {"calls": 9, "period": "day"}, "rate": {"calls": 1, "per_seconds": 1, "burst": 10}}),
            ),
        );
        let none = Plan::new(5, &terms(&json!({})));
        let now = Time::of_hour(HOUR);
        let same = change(&recent(), Some(&day), &day, now);
        assert!(!same.update.contains("#u"), "{}", same.update);
        let away = change(&recent(), Some(&day), &none, now);
        assert!(away.update.contains("#ua = #u, #ea = #pe, #u = if_not_exists(#ub, :z)"), "{}", away.update);
        assert!(away.names.contains(&("#ua", "uD".to_owned())) && away.names.contains(&("#ub", "uN".to_owned())));
        let ahead = Grant { t: us(now) + 4_000_000, ..recent() };
        let faster = Plan::new(5, &terms(&json!({"rate": {"calls": 2, "per_seconds": 1, "burst": 10}})));
        let write = change(&ahead, Some(&day), &faster, now);
        assert!(write.values.contains(&(":t", Value::N(us(now) + 2_000_000))), "{:?}", write.values);
    }

    #[test]
    fn a_page_turns_when_it_is_full_and_not_near_another_turn() {
        let full = Grant { c: (0..100).map(|n| (format!("1.1.1.{n}"), 1)).collect(), ..recent() };
        let middle = HOUR * HOUR_MS + HOUR_MS / 2;
        assert!(turns(&full, &call(middle), middle - TURN_PAUSE_MS));
        assert!(!turns(&full, &call(middle), middle - TURN_PAUSE_MS + 1));
        assert!(!turns(&full, &call((HOUR + 1) * HOUR_MS - 5_000), 0));
        assert!(!turns(&recent(), &call(middle), 0));
        assert!(turns(&recent(), &call((HOUR + 1) * HOUR_MS), HOUR_MS));
    }

    #[test]
    fn a_writer_is_recognised_in_both_generations() {
        let grant = Grant { w0: [("me".to_owned(), 41)].into(), ..recent() };
        assert_eq!((grant.last_of("me"), grant.last_of("you")), (Some(41), None));
        let turned = Grant { w1: [("me".to_owned(), 43)].into(), ..grant };
        assert_eq!(turned.last_of("me"), Some(43));
    }
}
