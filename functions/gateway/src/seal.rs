//! Sealing: what a grant counted in a calendar month (UTC), fixed for good and told once. No async, no AWS client.
//!
//! Months are sealed one after the other, from the one in which the grant was made to the one in which the subscription was
//! cancelled, in steps of one write each. A step finds in the image what was done before it, so that whoever dies between
//! two of them, or goes through them together with another sweep, leaves nothing that the next sweep does not finish:
//! 1. [`Step::Turn`]: the bucket is turned past the month's end. From then on `b = :b` refuses every admission of the month.
//! 2. [`Step::Move`]: the month's entries of `p` and `q` go into `se` and `sq`, and `sl` goes to the month's end. From then on
//!    `attribute_exists(p.…)` refuses every refund of the month.
//! 3. [`Step::Tell`]: the row `SEAL#…` and its event are written together, unless they are there; then the grant is written
//!    once more: `sa` and `sf` take up what was told, `se` and `sq` are emptied, `st` goes to the month's end.
//!
//! At all times `la` is `sa` and the sums of `se` and `p`, and `lf` is `sf` and the sums of `sq` and `q`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use shared::event::{SealState, SealedTerms, SubscriptionState, Terms};
use shared::id::SubscriptionId;
use shared::meter::read_period_key;
use shared::principal::Party;
use shared::time::Time;

use crate::grant::{Grant, Update, Value, number};

/// No month is sealed sooner than this after its end: the longest call (30 s) and a minute for its refund.
pub const PAUSE_MS: i64 = 90_000;
/// Names for the entries that one write moves: an expression holds 4 KB. A month with more terms takes several writes.
const ENTRIES: [&str; 16] = [
    "#k0", "#k1", "#k2", "#k3", "#k4", "#k5", "#k6", "#k7", "#k8", "#k9", "#k10", "#k11", "#k12", "#k13", "#k14",
    "#k15",
];

/// What a seal says of the subscription: the newest state that was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The subscription's revision.
    pub revision: u64,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The consumer.
    pub organization: Party,
    /// The provider.
    pub provider: Party,
    /// The app's name.
    pub app_name: String,
    /// The product's slug.
    pub product_slug: shared::slug::Slug,
    /// When the subscription first became active.
    pub activated_at: Option<Time>,
    /// When it ended.
    pub cancelled_at: Option<Time>,
}

impl From<&SubscriptionState> for Facts {
    fn from(state: &SubscriptionState) -> Self {
        Self {
            revision: state.revision,
            subscription: state.id,
            organization: state.organization.clone(),
            provider: state.provider.clone(),
            app_name: state.app_name.clone(),
            product_slug: state.product_slug.clone(),
            activated_at: state.activated_at,
            cancelled_at: state.cancelled_at,
        }
    }
}

/// Terms with the time from which they held.
#[derive(Clone, Debug)]
pub struct Held {
    /// Their revision.
    pub revision: u64,
    /// When they began to hold.
    pub since: Time,
    /// The terms.
    pub terms: Terms,
}

/// What is to be done next for a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Turn the bucket past the month's end.
    Turn,
    /// Take the month's units out.
    Move,
    /// Tell the seal.
    Tell,
}

/// The next step, if one is due. A grant of which only keys were told has nothing to seal and nobody to tell it of.
#[must_use]
pub fn due(grant: &Grant, now: Time) -> Option<Step> {
    if grant.st < grant.sl {
        return Some(Step::Tell);
    }
    let end = month_end(grant);
    let is_over = grant.s == "C" && grant.sh < grant.sl && grant.p.is_empty();
    if grant.s == "N" || is_over || now < end.plus_ms(PAUSE_MS) {
        return None;
    }
    Some(if grant.bh < end.hour() { Step::Turn } else { Step::Move })
}

/// The end of the first month that is not sealed.
fn month_end(grant: &Grant) -> Time {
    Time::of_hour(grant.sl).month().1
}

/// The write that takes the units of the first month that is not sealed out of `p` and `q`, or as many entries as one write
/// can; the last one of these writes seals the month. The bucket has been turned past its end, so `p` gets no more of it.
#[must_use]
pub fn moving(grant: &Grant) -> Update {
    let end = month_end(grant).hour();
    let is_due = |key: &&String| read_period_key(key).is_some_and(|(hour, _)| hour < end);
    let mut entries: Vec<&String> = grant.p.keys().filter(is_due).collect();
    entries.sort();
    let mut set = vec!["v = v + :one".to_owned()];
    let mut remove = Vec::new();
    let mut condition = "sl = :sl AND st = :sl AND bh >= :end".to_owned();
    let mut names = Vec::new();
    let mut values = vec![(":one", Value::N(1)), (":sl", Value::N(grant.sl)), (":end", Value::N(end))];
    if entries.len() <= ENTRIES.len() {
        set.push("sl = :end".to_owned());
    }
    if !entries.is_empty() {
        // Whoever else moves these entries moves the first one too.
        condition.push_str(" AND attribute_exists(p.#k0)");
        values.push((":z", Value::N(0)));
    }
    for (name, key) in ENTRIES.iter().zip(entries) {
        set.push(format!("se.{name} = p.{name}, sq.{name} = if_not_exists(q.{name}, :z)"));
        remove.push(format!("p.{name}, q.{name}"));
        names.push((*name, key.clone()));
    }
    let mut update = format!("SET {}", set.join(", "));
    if !remove.is_empty() {
        update.push_str(" REMOVE ");
        update.push_str(&remove.join(", "));
    }
    Update { update, condition, names, values }
}

/// The write after a seal was told.
#[must_use]
pub fn told(grant: &Grant) -> Update {
    Update {
        update: "SET v = v + :one, st = :sl, sa = sa + :a, sf = sf + :f, se = :e, sq = :e".to_owned(),
        condition: "sl = :sl AND st < :sl".to_owned(),
        names: Vec::new(),
        values: vec![
            (":one", Value::N(1)),
            (":sl", Value::N(grant.sl)),
            (":a", number(grant.se.values().sum())),
            (":f", number(grant.sq.values().sum())),
            (":e", Value::M(None)),
        ],
    }
}

/// Why a seal cannot be put together: a row that must be there is not.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the terms {0} of a sealed month are missing")]
pub struct MissingTerms(u64);

/// The seal that waits in this image. Of terms it has those under which something was counted and those that held at some
/// moment of the month; without their weights, which the units have in them already, and without their APIs: both may be long,
/// and an event is not.
pub fn state(grant: &Grant, facts: Facts, held: Vec<Held>, now: Time) -> Result<SealState, MissingTerms> {
    let to = Time::of_hour(grant.sl);
    let (from, _) = to.plus_ms(-1).month();
    let by_revision = |map: &HashMap<String, u64>| -> HashMap<u64, u64> {
        map.iter().filter_map(|(key, units)| Some((read_period_key(key)?.1, *units))).collect()
    };
    let (admitted, refunded) = (by_revision(&grant.se), by_revision(&grant.sq));
    let mut held = held;
    held.sort_by_key(|terms| terms.revision);
    if let Some(missing) = admitted.keys().find(|revision| !held.iter().any(|terms| terms.revision == **revision)) {
        return Err(MissingTerms(*missing));
    }
    let ends: Vec<Option<Time>> =
        held.iter().skip(1).map(|next| Some(next.since)).chain(std::iter::once(None)).collect();
    let terms = held
        .into_iter()
        .zip(ends)
        .filter(|(terms, end)| {
            let held = terms.since < to && end.is_none_or(|end| end > from && end > terms.since);
            held || admitted.contains_key(&terms.revision)
        })
        .map(|(Held { revision, since, mut terms }, _)| {
            terms.weights.clear();
            terms.apis.clear();
            let units = |map: &HashMap<u64, u64>| map.get(&revision).copied().unwrap_or(0);
            SealedTerms { revision, since, terms, admitted: units(&admitted), refunded: units(&refunded) }
        })
        .collect();
    Ok(SealState {
        id: format!("{}.{}", facts.subscription, month_name(from)),
        revision: 1,
        subscription: facts.subscription,
        organization: facts.organization,
        provider: facts.provider,
        app_name: facts.app_name,
        product_slug: facts.product_slug,
        from,
        to,
        activated_at: facts.activated_at,
        cancelled_at: facts.cancelled_at,
        admitted_before: grant.sa,
        refunded_before: grant.sf,
        terms,
        sealed_at: now,
    })
}

/// `{year}-{month}` of a moment.
#[must_use]
pub fn month_name(time: Time) -> String {
    time.to_string().chars().take(7).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::tests::{check, recent};
    use crate::plan::tests::terms;
    use serde_json::json;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn october() -> Grant {
        let start = at("2026-10-01T00:00:00Z").hour();
        Grant { sl: start, st: start, bh: at("2026-10-31T23:00:00Z").hour(), ..recent() }
    }

    #[test]
    fn a_month_is_sealed_90_seconds_after_its_end_and_what_waits_comes_first() {
        let (grant, end) = (october(), at("2026-11-01T00:00:00Z"));
        assert_eq!(due(&grant, end.plus_ms(89_999)), None);
        assert_eq!(due(&grant, end.plus_ms(90_000)), Some(Step::Turn));
        let turned = Grant { bh: end.hour(), ..grant.clone() };
        assert_eq!(due(&turned, end.plus_ms(90_000)), Some(Step::Move));
        let sealed = Grant { sl: end.hour(), ..turned };
        assert_eq!(due(&sealed, at("2027-01-01T00:00:00Z")), Some(Step::Tell));
        assert_eq!(due(&Grant { st: end.hour(), ..sealed }, end.plus_ms(90_000)), None);
    }

    #[test]
    fn a_cancelled_grant_is_sealed_to_the_month_of_its_end_and_while_units_wait() {
        let (later, start) = (at("2027-03-01T00:00:00Z"), at("2026-10-01T00:00:00Z").hour());
        let ended = |sh| Grant { s: "C".into(), sh, ..october() };
        assert_eq!(due(&ended(start), later), Some(Step::Turn));
        assert_eq!(due(&ended(start - 1), later), None);
        let counted = Grant { p: [(format!("{start}.1"), 1)].into(), ..ended(start - 1) };
        assert_eq!(due(&counted, later), Some(Step::Turn));
        assert_eq!(due(&Grant { s: "N".into(), ..october() }, later), None);
    }

    #[test]
    fn every_name_and_value_of_a_seals_expressions_is_used_and_fits() {
        let start = october().sl;
        for entries in [0, 1, ENTRIES.len(), ENTRIES.len() + 1] {
            let p = (0..entries).map(|n| (format!("{start}.{n}"), 1)).collect();
            let update = moving(&Grant { p, ..october() });
            check(&update);
            assert_eq!(update.update.contains("sl = :end"), entries <= ENTRIES.len());
            assert!(update.update.len() + update.condition.len() < 4_000);
        }
        check(&told(&october()));
    }

    #[test]
    fn a_seal_has_the_terms_that_held_or_counted_and_no_others() {
        let (start, to) = (october().sl, at("2026-11-01T00:00:00Z"));
        let held =
            |revision, since: &str| Held { revision, since: at(since), terms: terms(&json!({"weights": {"x": 2}})) };
        let facts = Facts {
            revision: 9,
            subscription: "sub_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            organization: house::party("beta"),
            provider: house::party("acme"),
            app_name: "App".into(),
            product_slug: "weather".parse().unwrap(),
            activated_at: None,
            cancelled_at: None,
        };
        let history = || {
            vec![
                held(10, "2026-11-01T00:00:00Z"),
                held(1, "2026-08-01T00:00:00Z"),
                held(2, "2026-09-01T00:00:00Z"),
                held(3, "2026-10-01T00:00:00Z"),
                held(4, "2026-10-10T10:00:00Z"),
                held(5, "2026-10-10T10:00:00Z"),
            ]
        };
        let grant = Grant {
            sl: to.hour(),
            se: [(format!("{start}.2"), 7), (format!("{start}.5"), 5)].into(),
            sq: [(format!("{start}.2"), 1)].into(),
            sa: 100,
            sf: 10,
            ..october()
        };
        let seal = state(&grant, facts.clone(), history(), to).unwrap();
        let counts: Vec<_> = seal.terms.iter().map(|terms| (terms.revision, terms.admitted, terms.refunded)).collect();
        // 2 had ended, but a call came under it; 4 was replaced at the same moment; 10 holds from the next month on.
        assert_eq!(counts, [(2, 7, 1), (3, 0, 0), (5, 5, 0)]);
        assert!(seal.terms.iter().all(|terms| terms.terms.weights.is_empty() && terms.terms.apis.is_empty()));
        assert_eq!(seal.id, "sub_01h455vb4pex5vsknk084sn02q.2026-10");
        assert_eq!((seal.from, seal.to), (at("2026-10-01T00:00:00Z"), to));
        assert_eq!((seal.admitted_before, seal.refunded_before), (100, 10));
        assert_eq!(state(&grant, facts, vec![held(2, "2026-09-01T00:00:00Z")], to), Err(MissingTerms(5)));
    }
}
