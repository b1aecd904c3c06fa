//! Misbehaviour on demand: everything that AWS may do to a program and seldom does. All of it is off by default.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a stream or queue mapping may wait for a fuller batch unless [`Faults::window_max`] says otherwise.
const WINDOW_MAX: Duration = Duration::from_millis(100);

/// Where a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The function has answered, the caller has not seen it.
    BeforeResponse,
    /// The caller has its answer, the process dies right after.
    AfterResponse,
    /// At the n-th DynamoDB call from now on (1 = the next one).
    DynamoDb {
        /// Which call, counted from 1.
        call: u64,
        /// False: before the call is applied. True: after it is applied and before it is answered.
        applied: bool,
    },
}

/// What happens at one DynamoDB call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The calling process is killed, and the call is not applied.
    KillBefore,
    /// The call is applied, and the calling process is killed before it sees the answer.
    KillAfter,
    /// The call is applied; the connection closes without an answer.
    LoseAnswer,
    /// The connection closes without an answer, and the call is applied only after this time.
    Late(Duration),
    /// The call takes this much longer.
    Slow(Duration),
    /// The calling process is frozen (SIGSTOP) for this time before the call is applied.
    FreezeBefore(Duration),
    /// The call is applied, then the calling process is frozen for this time before it sees the answer.
    FreezeAfter(Duration),
}

/// A DynamoDB call that will go wrong.
#[derive(Clone, Debug)]
struct Planned {
    function: String,
    action: Option<String>,
    /// Matching calls left until it happens.
    remaining: u64,
    deed: Deed,
}

/// How batching windows are played.
#[derive(Clone, Copy, Debug, Default)]
enum Window {
    #[default]
    Short,
    AtMost(Duration),
    AsConfigured,
}

#[derive(Debug, Default)]
struct State {
    planned: Vec<Planned>,
    lose_share: Option<(String, f64, Random)>,
    kills: Vec<(String, Point)>,
    throttled: BTreeMap<String, u64>,
    conflicts: BTreeMap<String, u64>,
    stale: BTreeSet<String>,
    duplicate: bool,
    shuffle: Option<Random>,
    delay: Duration,
    delays: Random,
    redelivery: Option<Duration>,
    window: Window,
}

/// The knobs. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills (`kill -9`) the process of a function at a point, once.
    pub fn kill(&self, function: &str, point: Point) {
        match point {
            Point::DynamoDb { call, applied } => {
                let deed = if applied { Deed::KillAfter } else { Deed::KillBefore };
                self.at_call(function, None, call, deed);
            }
            Point::BeforeResponse | Point::AfterResponse => {
                self.state().kills.push((function.to_owned(), point));
            }
        }
    }

    /// Makes the n-th DynamoDB call of a function from now on (1 = the next one; of one action, if one is named) go wrong, once.
    pub fn at_call(&self, function: &str, action: Option<&str>, call: u64, deed: Deed) {
        self.state().planned.push(Planned {
            function: function.to_owned(),
            action: action.map(str::to_owned),
            remaining: call.max(1),
            deed,
        });
    }

    /// The answer of the function's next write is lost after it was applied.
    pub fn lose_answer(&self, function: &str, action: &str) {
        self.at_call(function, Some(action), 1, Deed::LoseAnswer);
    }

    /// Loses this share (0 to 1) of the answers to a function's applied writes; 0 ends it.
    pub fn lose_answers(&self, function: &str, share: f64, seed: u64) {
        self.state().lose_share = (share > 0.0).then(|| (function.to_owned(), share, Random(seed)));
    }

    /// Refuses the next `calls` requests to a table with `ProvisionedThroughputExceededException`; 0 ends it.
    pub fn throttle(&self, table: &str, calls: u64) {
        self.state().throttled.insert(table.to_owned(), calls);
    }

    /// Refuses the next `calls` writes to a table with `TransactionConflict`; 0 ends it.
    pub fn conflict(&self, table: &str, calls: u64) {
        self.state().conflicts.insert(table.to_owned(), calls);
    }

    /// Answers `GetItem` without `ConsistentRead` with the item as it was before its last change. The table needs a stream with old images.
    pub fn stale_reads(&self, table: &str, on: bool) {
        if on {
            self.state().stale.insert(table.to_owned());
        } else {
            self.state().stale.remove(table);
        }
    }

    /// Delivers every event and every batch of a stream twice.
    pub fn duplicate_events(&self, on: bool) {
        self.state().duplicate = on;
    }

    /// Delivers queued events in a random order.
    pub fn shuffle_events(&self, seed: Option<u64>) {
        self.state().shuffle = seed.map(Random);
    }

    /// Holds every queued event back for a random time up to this; zero ends it.
    pub fn delay_events(&self, longest: Duration) {
        self.state().delay = longest;
    }

    /// Redelivers a failed message or batch after this time instead of the queue's visibility time-out or the stream's back-off.
    pub fn redelivery(&self, after: Option<Duration>) {
        self.state().redelivery = after;
    }

    /// The longest batching window of a mapping, 100 ms unless set; `None` plays windows as the template states them.
    pub fn window_max(&self, longest: Option<Duration>) {
        self.state().window = longest.map_or(Window::AsConfigured, Window::AtMost);
    }

    /// Ends every fault.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// Whether a process of this function is to be killed at this point of the invocation; asked once per invocation.
    pub fn take_kill(&self, function: &str, point: Point) -> bool {
        let mut state = self.state();
        let found = state.kills.iter().position(|(name, at)| name == function && *at == point);
        found.map(|index| state.kills.remove(index)).is_some()
    }

    /// What is to happen at this DynamoDB call.
    pub(crate) fn at(&self, function: &str, action: &str, write: bool) -> Option<Deed> {
        let mut state = self.state();
        let mut due = None;
        for (index, planned) in state.planned.iter_mut().enumerate() {
            let concerned = planned.function == function && planned.action.as_deref().is_none_or(|a| a == action);
            if concerned && planned.remaining > 1 {
                planned.remaining -= 1;
            } else if concerned && due.is_none() {
                due = Some((index, planned.deed));
            }
        }
        if let Some((index, deed)) = due {
            state.planned.remove(index);
            return Some(deed);
        }
        let (name, share, random) = state.lose_share.as_mut()?;
        (write && name == function && random.share() < *share).then_some(Deed::LoseAnswer)
    }

    /// Whether this request to a table is to be throttled.
    pub(crate) fn take_throttle(&self, table: &str) -> bool {
        take(&mut self.state().throttled, table)
    }

    /// Whether this write to a table is to meet a conflict.
    pub(crate) fn take_conflict(&self, table: &str) -> bool {
        take(&mut self.state().conflicts, table)
    }

    /// Whether reads of a table that are not marked consistent are stale.
    pub(crate) fn stale(&self, table: &str) -> bool {
        self.state().stale.contains(table)
    }

    /// How often an event is delivered.
    pub(crate) fn copies(&self) -> usize {
        if self.state().duplicate { 2 } else { 1 }
    }

    /// How long this event is held back.
    pub(crate) fn hold_back(&self) -> Duration {
        let mut state = self.state();
        let longest = state.delay;
        longest.mul_f64(state.delays.share())
    }

    /// Whether events are delivered in a random order.
    pub(crate) fn shuffles(&self) -> bool {
        self.state().shuffle.is_some()
    }

    /// A new order for this many things, if they are to be shuffled.
    pub(crate) fn order(&self, count: usize) -> Option<Vec<usize>> {
        let mut state = self.state();
        let random = state.shuffle.as_mut()?;
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let other = usize::try_from(random.next() % (last as u64 + 1)).unwrap_or(0);
            order.swap(last, other);
        }
        Some(order)
    }

    /// When a failed delivery is tried again, if not as configured.
    pub(crate) fn redelivery_after(&self) -> Option<Duration> {
        self.state().redelivery
    }

    /// A batching window as it is played.
    pub(crate) fn window(&self, configured: Duration) -> Duration {
        match self.state().window {
            Window::Short => configured.min(WINDOW_MAX),
            Window::AtMost(longest) => configured.min(longest),
            Window::AsConfigured => configured,
        }
    }
}

fn take(counts: &mut BTreeMap<String, u64>, table: &str) -> bool {
    counts.get_mut(table).is_some_and(|left| {
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    })
}

/// A small seeded generator (splitmix64): a failing test can be run again as it was.
#[derive(Clone, Debug, Default)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to 1.
    fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_matching_call_goes_wrong_once() {
        let faults = Faults::default();
        faults.at_call("f", Some("PutItem"), 3, Deed::LoseAnswer);
        let met: Vec<bool> = ["PutItem", "GetItem", "PutItem", "PutItem", "PutItem"]
            .iter()
            .map(|action| faults.at("f", action, true).is_some())
            .collect();
        assert_eq!(met, [false, false, false, true, false]);
        assert_eq!(faults.at("g", "PutItem", true), None);
    }

    #[test]
    fn two_faults_at_one_call_happen_one_after_the_other() {
        let faults = Faults::default();
        faults.at_call("f", None, 1, Deed::LoseAnswer);
        faults.at_call("f", None, 1, Deed::KillAfter);
        assert_eq!(faults.at("f", "GetItem", false), Some(Deed::LoseAnswer));
        assert_eq!(faults.at("f", "GetItem", false), Some(Deed::KillAfter));
        assert_eq!(faults.at("f", "GetItem", false), None);
    }

    #[test]
    fn a_throttle_ends_by_itself() {
        let faults = Faults::default();
        faults.throttle("T", 2);
        assert_eq!([1, 2, 3].map(|_| faults.take_throttle("T")), [true, true, false]);
    }

    #[test]
    fn an_order_is_a_permutation_and_the_same_for_a_seed() {
        let faults = Faults::default();
        assert_eq!(faults.order(3), None);
        faults.shuffle_events(Some(7));
        let first = faults.order(20).unwrap();
        faults.shuffle_events(Some(7));
        assert_eq!(faults.order(20).unwrap(), first);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        assert_ne!(first, sorted);
    }
}
