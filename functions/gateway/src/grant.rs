//! The grant item, and the one conditional write that admits a call. No async, no AWS client: expressions and what an
//! image says, so that every branch can be tried by itself.
//!
//! The write and its reasons:
//! - `b = :b` fences: a request that was delayed from an earlier bucket can never apply, so old writers may be forgotten;
//! - writer and sequence (`w0`, `w1`, by the bucket's parity): a retry recognises itself, so nothing is counted twice;
//! - `k.{n} > :s` is existence, expiry, rotation and revocation of a key in one comparison, because a revoked one is 0;
//! - `u <= :cap` with `cap = quota - weight`, valid because `pr = :pr`: never one unit over a hard quota;
//! - `T` is GCRA's theoretical arrival time, on the plan's clock (see [`PlanRate`](crate::plan::PlanRate)). On a coarse clock
//!   `g` has a copy of it under the number of the clock's grain, as long as nothing else has moved it: so whoever is not the
//!   first of a grain need not know whether `T` was ahead of the time, which a stale image cannot tell;
//! - `p` has the units of every month that is not sealed yet, by the terms that they were admitted under, and `q` those of them
//!   that were given back: a refund names the entry of its call, and none that a seal has taken away (see [`seal`](crate::seal));
//! - `lo` has the units that a plan with leases has out in blocks (see [`lease`](crate::lease)): they are in `u` already.

use std::collections::HashMap;

use serde::Deserialize;
use shared::meter::{Counter, period_key};
use shared::time::Time;

use crate::plan::{Plan, PlanRate, us};
use crate::settlement::{self, Counts, Settlement};

/// An item over this size turns its page: a write is billed by started kilobytes.
const PAGE_BYTES: usize = 850;
/// No page turn this soon after another turn, nor this close to the hour's end: two turns must not pass within one retry.
const TURN_PAUSE_MS: i64 = 10_000;
const HOUR_MS: i64 = 3_600_000;

/// A grant's image.
#[derive(Clone, Debug, Deserialize)]
pub struct Grant {
    /// How often it was written.
    pub v: u64,
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
    /// Copies of `T` by the grain of a coarse clock that they were written in; one that differs is out of date.
    pub g: HashMap<String, i64>,
    /// The bucket's number.
    pub b: u64,
    /// The bucket's hour.
    pub bh: i64,
    /// Units that are out on leases, or that a lease left behind which nobody can settle any more.
    #[serde(default)]
    pub lo: i64,
    /// Writers of even buckets, by their last sequence.
    pub w0: HashMap<String, u64>,
    /// Writers of odd buckets.
    pub w1: HashMap<String, u64>,
    /// Keys by number: not after, in seconds since 1970.
    pub k: HashMap<String, i64>,
    /// Calls admitted in the bucket; with a `-` at the name's end, those that were admitted in an earlier month.
    pub c: HashMap<String, u64>,
    /// Calls given back in the bucket, with a `-` as in `c`.
    pub f: HashMap<String, u64>,
    /// Units admitted in months that are not sealed yet, by [`period_key`].
    pub p: HashMap<String, u64>,
    /// Units given back of those.
    pub q: HashMap<String, u64>,
    /// Units ever admitted.
    pub la: u64,
    /// Units ever given back.
    pub lf: u64,
    /// The hour of the last change of the state.
    pub sh: i64,
    /// Every month before this hour is sealed.
    pub sl: i64,
    /// Every month before this hour is sealed and told. While it is before `sl`, a seal waits in `se` and `sq`.
    pub st: i64,
    /// Units admitted in the months that were told.
    pub sa: u64,
    /// Units given back of those.
    pub sf: u64,
    /// Units admitted, taken out of `p` to be sealed.
    pub se: HashMap<String, u64>,
    /// Units given back of those, taken out of `q`.
    pub sq: HashMap<String, u64>,
}

impl Grant {
    /// The last number of this writer that was applied, as far as the grant remembers it: two buckets. A name has one write at a
    /// time, so it is a number of this one or of one before it (see [`writers`](crate::writers)).
    #[must_use]
    pub fn last_of(&self, writer: &str) -> Option<u64> {
        [&self.w0, &self.w1].iter().filter_map(|writers| writers.get(writer).copied()).max()
    }

    /// The item's size in bytes by DynamoDB's rules, near enough: names, numbers of some five bytes, three for each map.
    #[must_use]
    pub fn size(&self) -> usize {
        const FIXED: usize = 220;
        let entries = |map: &HashMap<String, u64>| map.keys().map(|name| name.len() + 4).sum::<usize>();
        let keys: usize = self.k.keys().chain(self.g.keys()).map(|name| name.len() + 8).sum();
        let maps = [&self.w0, &self.w1, &self.c, &self.f, &self.p, &self.q, &self.se, &self.sq];
        FIXED + keys + maps.into_iter().map(entries).sum::<usize>()
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
    /// The name that its write has among the grant's writers, once it writes.
    pub writer: String,
    /// The number of its write in the sandbox. Each of its tries has one of its own, from here on.
    pub sequence: u64,
    /// The lease that it was admitted from, by the version of the image that the lease's write left.
    pub lease: Option<u64>,
}

impl Call {
    /// One that has not written yet.
    #[must_use]
    pub fn new(now: Time, counter: Counter) -> Self {
        Self { now, counter, weight: 1, writer: String::new(), sequence: 0, lease: None }
    }
}

/// What a call's write does beside admitting the call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Units that it takes for the calls that follow.
    pub block: i64,
    /// What it settles of the lease before, whose place is the call's own.
    pub settled: Option<&'a Settlement>,
    /// Which try of the call it is, from 0 on: what it leaves among the writers tells which one was applied.
    pub attempt: u64,
}

impl Beside<'_> {
    /// Units of the lease before that go on into the block, or back.
    fn unused(&self) -> i64 {
        self.settled.map_or(0, |settled| settled.unused)
    }
}

/// Where an admitted call was counted: what its refund has to name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// The kind of the quota window, as the grant names it: windows of two kinds may end at the same moment.
    pub kind: &'static str,
    /// The end of the quota window.
    pub window: i64,
    /// The entry of `p`: see [`period_key`].
    pub period: String,
    /// The bucket's hour.
    pub hour: i64,
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
    M(Option<(String, u64)>),
}

/// A conditional update: expressions with their names and values, none of them unused (DynamoDB refuses that). The grant's own
/// attributes stand in them as they are called (none is a word that DynamoDB reserves): each placeholder is paid for at every call.
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

pub(crate) fn number(number: u64) -> Value {
    Value::N(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Where the writers of a bucket are.
pub(crate) fn generation(bucket: u64) -> String {
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
        let wait_ms = rate.wait_ms(grant.t, call.weight, call.now);
        if wait_ms > 0 {
            return Some(Refusal::Rate { wait_ms });
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

/// Where a call is counted that is admitted under this image.
#[must_use]
pub fn counted(grant: &Grant, plan: &Plan, call: &Call, turn: bool) -> Counted {
    let hour = if turn { call.now.hour().max(grant.bh) } else { grant.bh };
    Counted {
        kind: plan.window_kind(),
        window: window(grant, plan, call),
        period: period_key(hour, plan.revision),
        hour,
    }
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

/// The write that admits a call if the grant still is as this image says, as far as that matters. What it does beside that is
/// judged by the same condition. A lease is settled only where no bucket turns.
#[must_use]
pub fn admission(grant: &Grant, plan: &Plan, call: &Call, turn: bool, beside: &Beside<'_>) -> Update {
    let counted = counted(grant, plan, call, turn);
    let (settled, taken) = (beside.settled, call.weight + beside.block - beside.unused());
    let mut counts = settled.map_or_else(Counts::new, |settled| settled.counts.clone());
    counts.entry(call.counter).or_default().admitted += 1;
    let mut set = vec!["v = v + :one", "la = la + :wt", "p.#pk = if_not_exists(p.#pk, :z) + :wt"];
    let mut condition = vec!["s = :A", "pr = :pr", "k.#kid > :ns", "b = :b", "pe = :pe"];
    let mut names = vec![
        ("#pk", counted.period),
        ("#kid", call.counter.key.to_string()),
        ("#w", generation(grant.b)),
        ("#me", call.writer.clone()),
    ];
    let place = number(call.sequence + beside.attempt);
    let mut values = vec![
        (":one", Value::N(1)),
        (":wt", Value::N(call.weight + settled.map_or(0, |settled| settled.admitted))),
        (":tk", Value::N(taken)),
        (":z", Value::N(0)),
        (":A", Value::S("A")),
        (":pr", number(plan.revision)),
        (":ns", Value::N(call.now.seconds())),
        (":b", number(grant.b)),
        (":pe", Value::N(grant.pe)),
        (":seq", number(call.sequence)),
    ];
    condition.push("(attribute_not_exists(#w.#me) OR #w.#me < :seq)");
    let counting;
    if turn {
        // Two paths into one map may not overlap: the new bucket's maps are written whole, with the first count in them.
        set.extend(["b = :b1", "bh = :h", "bv = v + :one", "#wn = :fw", "c = :fc", "f = :e"]);
        names.extend([("#wn", generation(grant.b + 1))]);
        values.extend([
            (":b1", number(grant.b + 1)),
            (":h", Value::N(counted.hour)),
            (":fw", Value::M(Some((call.writer.clone(), call.sequence + beside.attempt)))),
            (":fc", Value::M(Some((call.counter.to_string(), 1)))),
            (":e", Value::M(None)),
        ]);
    } else {
        counting = settlement::counting(&counts, "", &mut names, &mut values);
        set.extend(["#w.#me = :at", &counting]);
        values.push((":at", place));
    }
    if let Some(settled) = settled.filter(|settled| settled.back > 0) {
        set.extend(["lf = lf + :bk", "q.#pk = if_not_exists(q.#pk, :z) + :bk"]);
        values.push((":bk", Value::N(settled.back)));
    }
    if beside.block > 0 || settled.is_some() {
        set.push("lo = if_not_exists(lo, :z) + :lo");
        values.push((":lo", Value::N(beside.block - settled.map_or(0, |settled| settled.taken))));
    }
    if window_turns(grant, call) {
        set.extend(["u = :tk", "pe = :npe"]);
        values.push((":npe", Value::N(counted.window)));
    } else {
        set.push("u = u + :tk");
        if let Some(quota) = plan.quota.filter(|quota| quota.hard) {
            condition.push("u <= :cap");
            values.push((":cap", Value::N(quota.units - taken)));
        }
    }
    let mut remove = "";
    // What goes on from the lease before has moved the limiter already.
    if let Some(rate) = plan.rate.filter(|_| taken > 0) {
        let now = rate.now_us(call.now);
        let limit = now + rate.tolerance_us(taken);
        let step = taken * rate.unit_us;
        let behind = grant.t <= now;
        if let Some(cell) = cell(grant, &rate, now) {
            // The first of a grain says from where it counts, all others go on.
            if behind {
                set.extend(["T = if_not_exists(g.#gn, :now) + :step", "g.#gn = if_not_exists(g.#gn, :now) + :step"]);
                condition.push("T <= :lim AND (g.#gn = T OR (attribute_not_exists(g.#gn) AND T <= :now))");
            } else {
                set.extend(["T = if_not_exists(g.#gn, T) + :step", "g.#gn = if_not_exists(g.#gn, T) + :step"]);
                condition.push("T <= :lim AND (g.#gn = T OR (attribute_not_exists(g.#gn) AND T > :now))");
            }
            if let Some(oldest) = cells(grant).min().filter(|oldest| *oldest < cell) {
                remove = " REMOVE g.#go";
                names.push(("#go", oldest.to_string()));
            }
            names.extend([("#gn", cell.to_string())]);
            values.extend([(":now", Value::N(now)), (":lim", Value::N(limit)), (":step", Value::N(step))]);
        } else {
            if rate.grain_us > 0 {
                set.push("g = :e");
                if !turn {
                    values.push((":e", Value::M(None)));
                }
            }
            // A heavy call on a coarse clock may have to wait until the limiter has been idle for a while.
            values.push((":now", Value::N(now.min(limit))));
            if behind {
                set.push("T = :next");
                condition.push("T <= :now");
                values.push((":next", Value::N(now + step)));
            } else {
                set.push("T = T + :step");
                condition.push("T > :now AND T <= :lim");
                values.extend([(":step", Value::N(step)), (":lim", Value::N(limit))]);
            }
        }
    }
    let update = format!("SET {}{remove}", set.join(", "));
    Update { update, condition: condition.join(" AND "), names, values }
}

fn cells(grant: &Grant) -> impl Iterator<Item = i64> {
    grant.g.keys().filter_map(|cell| cell.parse().ok())
}

/// The entry of `g` for a call at this time of the limiter's: that of its grain, or of a later one that is there already. None
/// on an exact clock, and where the entry is out of date.
fn cell(grant: &Grant, rate: &PlanRate, now_us: i64) -> Option<i64> {
    let own = now_us.checked_div(rate.grain_us)?;
    let cell = cells(grant).max().map_or(own, |newest| newest.max(own));
    grant.g.get(&cell.to_string()).is_none_or(|copy| *copy == grant.t).then_some(cell)
}

/// The write after which no try of this call can apply any more: it takes the call's place among the writers, unless a try
/// was applied already.
#[must_use]
pub fn voiding(grant: &Grant, call: &Call, sequence: u64) -> Update {
    Update {
        update: "SET v = v + :one, #w.#me = :void".to_owned(),
        condition: "b = :b AND (attribute_not_exists(#w.#me) OR #w.#me < :seq)".to_owned(),
        names: vec![("#w", generation(grant.b)), ("#me", call.writer.clone())],
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
    Update {
        update: "SET v = v + :one, b = :b1, bh = :h, bv = v + :one, #wn = :e, c = :e, f = :e".to_owned(),
        condition: "b = :b".to_owned(),
        names: vec![("#wn", generation(grant.b + 1))],
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
    let mut set = vec![" pr = :pr", "g = :e"];
    write.condition.push_str(" AND pr < :pr");
    write.values.push((":pr", Value::N(i64::try_from(plan.revision).unwrap_or(i64::MAX))));
    if grant.wk != plan.window_kind() {
        set.extend(["#ua = u", "#ea = pe", "u = if_not_exists(#ub, :z)", "pe = if_not_exists(#eb, :npe)", "wk = :wk"]);
        write.names.extend([
            ("#ua", format!("u{}", grant.wk)),
            ("#ea", format!("e{}", grant.wk)),
            ("#ub", format!("u{}", plan.window_kind())),
            ("#eb", format!("e{}", plan.window_kind())),
        ]);
        write.values.extend([
            (":z", Value::N(0)),
            (":npe", Value::N(plan.window_end(now))),
            (":wk", Value::S(plan.window_kind())),
        ]);
    }
    if let Some(rate) = plan.rate {
        let then = before.and_then(|plan| plan.rate).unwrap_or(rate);
        // A change may come later than its time says: a call is let through no further ahead of its own time than the burst.
        let from = us(now).max(grant.t.saturating_sub(then.burst.saturating_mul(then.unit_us)));
        let ahead = i128::from((grant.t - from).max(0));
        let scaled = ahead * i128::from(rate.unit_us) / i128::from(then.unit_us.max(1));
        let most = i128::from(rate.burst) * i128::from(rate.unit_us);
        set.push("T = :t");
        write.values.push((":t", Value::N(from + i64::try_from(scaled.min(most)).unwrap_or(0))));
    }
    write.update.push(',');
    write.update.push_str(&set.join(", "));
    write
}

#[cfg(test)]
pub(crate) mod tests;
