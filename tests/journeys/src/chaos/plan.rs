//! What the seed says: every call, every action and every fault of a run.

use std::time::Duration;

use serde_json::{Value, json};

/// A small seeded generator (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }
}

/// What a call asks of the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Errand {
    Forecast,
    /// Five units where the plan weighs.
    Echo,
    /// An answer of class 4xx, which is not given back.
    Missing,
    /// An answer of class 5xx, which is given back. Three units where the plan weighs.
    Failing,
    /// No answer, which is given back.
    Dropped,
}

impl Errand {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Forecast => "/forecast/oslo",
            Self::Echo => "/echo",
            Self::Missing => "/failures/404",
            Self::Failing => "/failures/500",
            Self::Dropped => "/drop",
        }
    }

    /// Whether the upstream fails it.
    pub(super) fn fails(self) -> bool {
        matches!(self, Self::Failing | Self::Dropped)
    }

    fn weight(self) -> u64 {
        match self {
            Self::Echo => 5,
            Self::Failing => 3,
            _ => 1,
        }
    }
}

/// What the subscriptions are for, by their number.
pub(super) const NAMES: [&str; SUBSCRIPTIONS] = ["hard", "soft", "rated", "weighed", "leased", "leased-fast"];
/// How many there are.
const SUBSCRIPTIONS: usize = 6;
/// Those whose calls are admitted from leases, under both of their plans.
const LEASED: [usize; 2] = [4, 5];
/// So many calls in a row belong together.
const RUN: u64 = 200;

/// Whether the calls of a subscription are admitted from leases.
pub(super) fn is_leased(subscription: usize) -> bool {
    LEASED.contains(&subscription)
}

/// One of the subscriptions.
fn any_subscription(random: &mut Random) -> usize {
    random.below(u64::try_from(SUBSCRIPTIONS).unwrap_or(1)).try_into().unwrap_or(0)
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    /// The subscription's number.
    pub(super) subscription: usize,
    pub(super) errand: Errand,
    /// Where a key other than the newest is to be used: which one.
    pub(super) older_key: Option<u64>,
}

impl Chosen {
    /// The call of this number. Leases are for calls that come quickly: of three runs of numbers one has mostly calls of one
    /// subscription with leases.
    pub(super) fn of(seed: u64, number: u64) -> Self {
        let mut random = Random(seed ^ number.wrapping_mul(0xD134_2543_DE82_EF95));
        let any = any_subscription(&mut random);
        let mut run = Random(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ (number / RUN));
        let quick = (run.below(3) == 0).then(|| LEASED[usize::from(run.below(2) == 0)]);
        let subscription = quick.filter(|_| random.below(8) > 0).unwrap_or(any);
        let errand = match random.below(100) {
            0..4 => Errand::Missing,
            4..10 => Errand::Failing,
            10..13 => Errand::Dropped,
            13..25 => Errand::Echo,
            _ => Errand::Forecast,
        };
        let older_key = (random.below(100) < 12).then(|| random.next() >> 16);
        Self { subscription, errand, older_key }
    }

    /// What it weighs.
    pub(super) fn units(self) -> u64 {
        if NAMES[self.subscription] == "weighed" { self.errand.weight() } else { 1 }
    }
}

/// What happens beside the calls.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// A subscription goes to its other plan.
    ChangePlan(usize),
    /// A new key, and the old one stops at once.
    Rotate(usize),
    /// A new key, and an older one is revoked.
    Revoke(usize),
    /// `kill -9` for a process of the door, whatever it is doing.
    Kill(u64),
    /// The clock jumps.
    Jump(Duration),
    /// The clock jumps into the next month.
    NextMonth,
}

/// The actions of a run, by the number of the call before which they come.
pub(super) fn actions(seed: u64, calls: u64) -> Vec<(u64, Action)> {
    let mut random = Random(seed.wrapping_mul(31) ^ 0x6163_7473);
    let mut actions = vec![(calls * (50 + random.below(15)) / 100, Action::NextMonth)];
    for _ in 0..3 {
        let jump = Duration::from_secs(60 * (30 + random.below(240)));
        actions.push((random.below(calls), Action::Jump(jump)));
    }
    for _ in 0..(calls / 250).clamp(6, 200) {
        actions.push((random.below(calls), Action::Kill(random.next())));
    }
    for _ in 0..(calls / 250).clamp(8, 80) {
        let subscription = any_subscription(&mut random);
        let action = match random.below(3) {
            0 => Action::ChangePlan(subscription),
            1 => Action::Rotate(subscription),
            _ => Action::Revoke(subscription),
        };
        actions.push((random.below(calls), action));
    }
    actions.sort_by_key(|(at, _)| *at);
    actions
}

/// A hard quota's units in a month: so few that each month uses them up.
pub(super) fn quota(calls: u64, subscription: usize) -> Option<[u64; 2]> {
    match NAMES[subscription] {
        // Its two plans differ in price only, so that the most of a month is known to the unit.
        "hard" => Some([calls / 26 + 5; 2]),
        "weighed" => Some([calls / 17 + 5, calls / 15 + 5]),
        "leased" => Some([calls / 13 + 5; 2]),
        _ => None,
    }
}

/// The terms of a subscription's two plans.
pub(super) fn terms(calls: u64, subscription: usize) -> [Value; 2] {
    let hard = |calls: u64| json!({ "calls": calls, "period": "month", "kind": "hard" });
    let money =
        json!({ "currency": "EUR", "monthly_price": "10", "included_calls": calls / 20, "price_per_call": "0.01" });
    let with = |name: &str, value: Value| {
        let mut terms = money.clone();
        terms[name] = value;
        terms
    };
    let rate = |calls: u64| with("rate", json!({ "calls": calls, "per_seconds": 1, "burst": 30 }));
    let mut terms = match (NAMES[subscription], quota(calls, subscription)) {
        ("hard" | "leased", Some(quotas)) => {
            let mut terms = quotas.map(|quota| with("quota", hard(quota)));
            terms[1]["price_per_call"] = json!("0.02");
            terms
        }
        ("weighed", Some(quotas)) => quotas.map(|quota| {
            let mut terms = with("quota", hard(quota));
            terms["weights"] = json!({ "echo": 5, "fail": 3 });
            terms
        }),
        ("soft", _) => [calls / 20 + 1, calls / 10 + 1]
            .map(|calls| with("quota", json!({ "calls": calls, "period": "month", "kind": "soft" }))),
        _ => [20, 40].map(rate),
    };
    if is_leased(subscription) {
        for terms in &mut terms {
            terms["admission"] = json!("leased");
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_plays_the_same_plan() {
        let calls = |seed: u64| (0..500).map(|number| format!("{:?}", Chosen::of(seed, number))).collect::<Vec<_>>();
        assert_eq!(calls(7), calls(7));
        assert_ne!(calls(7), calls(8));
        let plan = |seed: u64| format!("{:?}", actions(seed, 5_000));
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }
}
