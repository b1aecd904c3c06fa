//! What is settled of a grant after calls were admitted: the refund of a call, and what became of a lease. No async, no AWS
//! client.
//!
//! One write settles it, once: it is fenced by the bucket and recognised by writer and sequence like an admission, and names the
//! entry of `p` that its calls belong to, so that nothing is counted or given back in a month that is sealed.

use std::collections::BTreeMap;

use shared::meter::{Counter, period_key, read_period_key};

use crate::grant::{Call, Counted, Grant, Update, Value, generation, number};

/// Names for the counters that one write settles: an expression holds 4 KB.
const COUNTERS: [(&str, &str, &str); COUNTERS_MAX] = [
    ("#o0", ":c0", ":f0"),
    ("#o1", ":c1", ":f1"),
    ("#o2", ":c2", ":f2"),
    ("#o3", ":c3", ":f3"),
    ("#o4", ":c4", ":f4"),
    ("#o5", ":c5", ":f5"),
    ("#o6", ":c6", ":f6"),
    ("#o7", ":c7", ":f7"),
    ("#o8", ":c8", ":f8"),
    ("#o9", ":c9", ":f9"),
    ("#o10", ":c10", ":f10"),
    ("#o11", ":c11", ":f11"),
];
/// As many counters one write settles.
pub(crate) const COUNTERS_MAX: usize = 12;

/// Calls of one counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Calls {
    /// Admitted.
    pub admitted: u64,
    /// Given back.
    pub back: u64,
}

/// Calls by their counters.
pub(crate) type Counts = BTreeMap<Counter, Calls>;

/// What one write settles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// Where the calls are counted.
    pub counted: Counted,
    /// The calls.
    pub counts: BTreeMap<Counter, Calls>,
    /// Units of those that were admitted.
    pub admitted: i64,
    /// Units of those that were given back.
    pub back: i64,
    /// Units that the window gets back: those that were given back, and those that nobody used.
    pub unused: i64,
    /// Units that are out until this is settled.
    pub taken: i64,
}

impl Settlement {
    /// That a call failed, which was counted there.
    #[must_use]
    pub fn refund(call: &Call, counted: &Counted) -> Self {
        Self {
            counted: counted.clone(),
            counts: Counts::from([(call.counter, Calls { admitted: 0, back: 1 })]),
            admitted: 0,
            back: call.weight,
            unused: call.weight,
            taken: 0,
        }
    }
}

/// What raises the counts. Each counter is one name, with a value for each of its counts that is raised.
pub(crate) fn counting(
    counts: &Counts,
    suffix: &str,
    names: &mut Vec<(&'static str, String)>,
    values: &mut Vec<(&'static str, Value)>,
) -> String {
    let mut raised = Vec::new();
    for ((counter, calls), (name, admitted, back)) in counts.iter().zip(COUNTERS) {
        names.push((name, format!("{counter}{suffix}")));
        for (map, value, count) in [("c", admitted, calls.admitted), ("f", back, calls.back)] {
            if count > 0 {
                raised.push(format!("{map}.{name} = if_not_exists({map}.{name}, :z) + {value}"));
                values.push((value, number(count)));
            }
        }
    }
    raised.join(", ")
}

/// The write that settles it, if the bucket and the window still are as this image says and the month of its calls is not
/// sealed. A later window's use is never lowered.
#[must_use]
pub fn settling(grant: &Grant, settled: &Settlement, writer: &str, sequence: u64) -> Update {
    let month = |period: &str| read_period_key(period).map(|(hour, _)| hour);
    let counted = &settled.counted;
    let suffix = if month(&counted.period) == month(&period_key(grant.bh, 0)) { "" } else { "-" };
    let mut set = vec!["v = v + :one", "#w.#me = :seq"];
    let mut condition = vec!["b = :b", "pe = :pe", "(attribute_not_exists(#w.#me) OR #w.#me < :seq)"];
    let mut names = vec![("#w", generation(grant.b)), ("#me", writer.to_owned())];
    let mut values =
        vec![(":one", Value::N(1)), (":seq", number(sequence)), (":b", number(grant.b)), (":pe", Value::N(grant.pe))];
    let counting = counting(&settled.counts, suffix, &mut names, &mut values);
    if !counting.is_empty() {
        set.push(&counting);
        condition.push("attribute_exists(p.#pk)");
        names.extend([("#pk", counted.period.clone())]);
        values.push((":z", Value::N(0)));
    }
    if settled.admitted > 0 {
        set.extend(["la = la + :wt", "p.#pk = p.#pk + :wt"]);
        values.push((":wt", Value::N(settled.admitted)));
    }
    if settled.back > 0 {
        set.extend(["lf = lf + :bk", "q.#pk = if_not_exists(q.#pk, :z) + :bk"]);
        values.push((":bk", Value::N(settled.back)));
    }
    if settled.taken > 0 {
        set.push("lo = lo - :tk");
        values.push((":tk", Value::N(settled.taken)));
    }
    // New terms may have begun a window of the same end afresh: its use never falls below nothing.
    let is_open = (grant.wk.as_str(), grant.pe) == (counted.kind, counted.window);
    if is_open && settled.unused > 0 && grant.u >= settled.unused {
        set.push("u = u - :un");
        condition.push("u >= :un");
        values.push((":un", Value::N(settled.unused)));
    }
    Update { update: format!("SET {}", set.join(", ")), condition: condition.join(" AND "), names, values }
}
