//! What a case does, step by step. Every script is possible: what cannot be done at its place is left out.

use proptest::prelude::*;
use serde_json::{Value, json};
use shared::event::Terms;

/// A whole case.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// How many sandboxes serve the grant.
    pub(crate) sandboxes: usize,
    /// How many calls each of them serves at once.
    pub(crate) at_once: usize,
    /// Where the clock stands in the beginning.
    pub(crate) begin: &'static str,
    /// Whether the item is so large from the beginning that pages turn.
    pub(crate) crowded: bool,
    /// The terms of the beginning.
    pub(crate) terms: Limits,
    /// The steps.
    pub(crate) steps: Vec<Step>,
    /// The order in which the stream's records reach usage.
    pub(crate) order: u64,
}

impl std::fmt::Display for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sandboxes, at_once, begin, crowded, terms, steps, order } = self;
        writeln!(f, "{sandboxes} sandboxes of {at_once}, {begin}, crowded: {crowded}, order: {order}, {terms:?}")?;
        steps.iter().try_for_each(|step| writeln!(f, "  {step:?},"))
    }
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A call comes to a sandbox that has a place for it. `whole` ones run to their end before anything else happens.
    Call { sandbox: u8, asked: Asked, whole: bool },
    /// Calls come to a sandbox that is idle, one right after the other.
    Burst { sandbox: u8, asked: Asked, calls: u8 },
    /// A sandbox that is idle settles the leases that are over; or, as it ends, all of them, and a new one takes its place.
    Settle { sandbox: u8, ends: bool, whole: bool },
    /// The next request of somebody is applied and answered, and who waited for it goes on to the next.
    Go(u8),
    /// The next request of somebody is applied, and its answer is on the way: the sandbox is frozen.
    Apply(u8),
    /// The next request of somebody meets a fault, and who waited for it goes on to the next.
    Fault(u8, Fault),
    /// A sandbox ends; a new one takes its place. What it had sent may still arrive.
    Kill(u8),
    /// A request that nobody waits for arrives after all.
    Arrive(u8),
    /// Time passes.
    Clock(Clock),
    /// The door is told something new.
    Tell { change: Change, whole: bool },
    /// The door is told something old.
    Again { event: u8, whole: bool },
    /// The sweep comes by.
    Sweep { whole: bool },
}

/// What a call asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The key's number.
    pub(crate) key: u32,
    /// The operation's number.
    pub(crate) operation: u32,
    /// Whether the upstream will fail.
    pub(crate) fails: bool,
    /// How far the request's time is behind the clock.
    pub(crate) late_ms: u16,
}

/// What can become of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Applied; the answer is lost.
    AnswerLost,
    /// Lost on the way.
    RequestLost,
    /// No answer in time; the request is still on its way.
    Late,
    /// Refused, because there are too many.
    Throttled,
    /// Refused, because a transaction is on the item.
    Conflict,
    /// Applied, and answered as a failure of the table.
    FailedApplied,
    /// Not applied, and answered as a failure of the table.
    Failed,
}

/// How time passes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// Milliseconds.
    Ms(u16),
    /// Long enough for a page to turn.
    Page,
    /// To a few seconds after the hour's end.
    Hour,
    /// … the day's end.
    Day,
    /// … the month's end.
    Month,
}

/// Something new.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// Other terms.
    Terms(Limits),
    /// Earlier terms, as a new revision.
    Back(u8),
    /// The subscription is suspended.
    Suspend,
    /// … and resumed.
    Resume,
    /// A key gets an end, in seconds from now.
    Rotate { key: u32, in_s: u16 },
    /// A key is revoked.
    Revoke(u32),
}

/// The part of a plan that the door enforces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// Units, whether the window is a month (or a day), and whether it is hard.
    pub(crate) quota: Option<(u64, bool, bool)>,
    /// Units, seconds, burst.
    pub(crate) rate: Option<(u32, u32, u32)>,
    /// Units of a call by its operation's number.
    pub(crate) weights: [u32; 3],
    /// Whether calls are admitted from leases.
    pub(crate) leased: bool,
}

impl Limits {
    /// As a subscription carries them.
    pub(crate) fn terms(&self) -> Terms {
        let mut terms = json!({
            "plan": "plan_01h455vb4pex5vsknk084sn02q", "plan_slug": "basic", "plan_version": 1,
            "apis": [{"id": crate::play::API, "slug": "weather"}],
            "currency": "USD", "monthly_price": "0", "included_calls": 0, "price_per_call": "0", "approval": "automatic",
            "weights": {"o0": self.weights[0], "o1": self.weights[1], "o2": self.weights[2]},
        });
        if let Some((calls, month, hard)) = self.quota {
            terms["quota"] = json!({"calls": calls, "period": if month { "month" } else { "day" }, "kind": if hard { "hard" } else { "soft" }});
        }
        if let Some((calls, per_seconds, burst)) = self.rate {
            terms["rate"] = json!({"calls": calls, "per_seconds": per_seconds, "burst": burst});
        }
        if self.leased {
            terms["admission"] = json!("leased");
        }
        serde_json::from_value::<Terms>(Value::clone(&terms)).unwrap()
    }

    /// The kind of the quota's window, as the grant names it.
    pub(crate) fn window_kind(&self) -> &'static str {
        self.quota.map_or("N", |(_, month, _)| if month { "M" } else { "D" })
    }
}

/// With leases or without; where leases are played, now and then without.
fn limits(leased: bool) -> impl Strategy<Value = Limits> {
    let units = if leased {
        prop_oneof![1 => 2_u64..14, 2 => 20_u64..120, 2 => 120_u64..600].boxed()
    } else {
        prop_oneof![3 => 2_u64..14, 1 => 20_u64..120].boxed()
    };
    let quota = prop::option::weighted(0.85, (units, any::<bool>(), prop::bool::weighted(0.85)));
    // Of the fast ones the limiter's clock is coarse.
    let pace = prop_oneof![3 => (1_u32..4, 1_u32..3, 1_u32..5), 1 => (50_u32..100, Just(1_u32), 22_u32..60)];
    let rate = prop::option::weighted(0.4, pace);
    let weights = prop_oneof![2 => Just([1, 2, 3]), 1 => Just([1, 1, 2]), 1 => Just([2, 9, 15])];
    let leased = prop::bool::weighted(if leased { 0.85 } else { 0.0 });
    (quota, rate, weights, leased).prop_map(|(quota, rate, weights, leased)| Limits { quota, rate, weights, leased })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::AnswerLost),
        2 => Just(Fault::RequestLost),
        4 => Just(Fault::Late),
        1 => Just(Fault::Throttled),
        1 => Just(Fault::Conflict),
        1 => Just(Fault::FailedApplied),
        1 => Just(Fault::Failed),
    ]
}

fn clock() -> impl Strategy<Value = Clock> {
    prop_oneof![
        6 => (0_u16..2_500).prop_map(Clock::Ms),
        3 => Just(Clock::Page),
        3 => Just(Clock::Hour),
        2 => Just(Clock::Day),
        1 => Just(Clock::Month),
    ]
}

fn change(leased: bool) -> impl Strategy<Value = Change> {
    let key = 1_u32..4;
    prop_oneof![
        4 => limits(leased).prop_map(Change::Terms),
        3 => any::<u8>().prop_map(Change::Back),
        2 => Just(Change::Suspend),
        3 => Just(Change::Resume),
        2 => (key.clone(), prop_oneof![Just(0_u16), Just(2), Just(20), Just(3_000)]).prop_map(|(key, in_s)| Change::Rotate { key, in_s }),
        2 => key.prop_map(Change::Revoke),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let late_ms = prop_oneof![6 => Just(0_u16), 1 => 0_u16..1_500];
    (1_u32..4, 0_u32..3, prop::bool::weighted(0.3), late_ms).prop_map(|(key, operation, fails, late_ms)| Asked {
        key,
        operation,
        fails,
        late_ms,
    })
}

fn step(leased: bool) -> impl Strategy<Value = Step> {
    let whole = || prop::bool::weighted(0.5);
    let often = if leased { 12 } else { 1 };
    prop_oneof![
        often => (any::<u8>(), asked(), 3_u8..40).prop_map(|(sandbox, asked, calls)| Step::Burst { sandbox, asked, calls }),
        often.div_ceil(4) => (any::<u8>(), prop::bool::weighted(0.3), whole())
            .prop_map(|(sandbox, ends, whole)| Step::Settle { sandbox, ends, whole }),
        16 => (any::<u8>(), asked(), prop::bool::weighted(0.4)).prop_map(|(sandbox, asked, whole)| Step::Call { sandbox, asked, whole }),
        24 => any::<u8>().prop_map(Step::Go),
        3 => any::<u8>().prop_map(Step::Apply),
        8 => (any::<u8>(), fault()).prop_map(|(who, fault)| Step::Fault(who, fault)),
        2 => any::<u8>().prop_map(Step::Kill),
        4 => any::<u8>().prop_map(Step::Arrive),
        5 => clock().prop_map(Step::Clock),
        4 => (change(leased), whole()).prop_map(|(change, whole)| Step::Tell { change, whole }),
        1 => (any::<u8>(), whole()).prop_map(|(event, whole)| Step::Again { event, whole }),
        1 => whole().prop_map(|whole| Step::Sweep { whole }),
    ]
}

/// Every script, of terms with leases or without.
pub(crate) fn scripts(leased: bool) -> impl Strategy<Value = Script> {
    let begin = prop::sample::select(vec![
        "2026-11-15T10:30:00Z",
        "2026-11-15T10:59:55Z",
        "2026-11-15T23:59:50Z",
        "2026-11-30T12:00:00Z",
        "2026-11-30T23:59:45Z",
    ]);
    let steps = prop::collection::vec(step(leased), 10..90);
    let sandboxes = prop_oneof![2 => (3_usize..=6, Just(1_usize)), 2 => Just((2, 8)), 1 => Just((3, 3))];
    (sandboxes, begin, prop::bool::weighted(0.4), limits(leased), steps, any::<u64>()).prop_map(
        |((sandboxes, at_once), begin, crowded, terms, steps, order)| Script {
            sandboxes,
            at_once,
            begin,
            crowded,
            terms,
            steps,
            order,
        },
    )
}
