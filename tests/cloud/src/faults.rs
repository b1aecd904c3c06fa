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

impl Deed {
    /// Its name in [`Faults::happened`].
    fn name(self) -> &'static str {
        match self {
            Self::KillBefore => "killed before a call",
            Self::KillAfter => "killed after a call",
            Self::LoseAnswer => "answer lost",
            Self::Late(_) => "call applied late",
            Self::Slow(_) => "slow call",
            Self::FreezeBefore(_) => "frozen before a call",
            Self::FreezeAfter(_) => "frozen after a call",
        }
    }
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

/// Calls of a function that go wrong at random.
#[derive(Clone, Debug)]
struct Chance {
    function: String,
    deed: Deed,
    share: f64,
    random: Random,
}

/// What DynamoDB refuses of a table, or of one item (all rows of a partition key) of it.
#[derive(Debug, Default)]
struct Refusals {
    /// Requests left to refuse: to a table, or to an item.
    counts: BTreeMap<(String, Option<String>), u64>,
    /// Shares of the requests to each item of a table.
    shares: BTreeMap<String, (f64, Random)>,
}

impl Refusals {
    fn set(&mut self, table: &str, item: Option<&str>, calls: u64) {
        self.counts.insert((table.to_owned(), item.map(str::to_owned)), calls);
    }

    fn share(&mut self, table: &str, share: f64, seed: u64) {
        if share > 0.0 {
            self.shares.insert(table.to_owned(), (share, Random(seed)));
        } else {
            self.shares.remove(table);
        }
    }

    fn take(&mut self, table: &str, item: Option<&str>) -> bool {
        let named = [None, item.map(str::to_owned)].into_iter().any(|item| {
            let left = self.counts.get_mut(&(table.to_owned(), item)).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        });
        named || self.shares.get_mut(table).is_some_and(|(share, random)| random.share() < *share)
    }
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
    chances: Vec<Chance>,
    kills: Vec<(String, Point)>,
    throttled: Refusals,
    conflicts: Refusals,
    frozen: BTreeSet<String>,
    happened: BTreeMap<(String, &'static str), u64>,
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
        self.by_chance(function, Deed::LoseAnswer, share, seed);
    }

    /// Lets this share (0 to 1) of a function's DynamoDB calls go wrong in this way; of its writes, where answers are lost. 0 ends it.
    pub fn by_chance(&self, function: &str, deed: Deed, share: f64, seed: u64) {
        let mut state = self.state();
        state.chances.retain(|chance| chance.function != function || chance.deed.name() != deed.name());
        if share > 0.0 {
            state.chances.push(Chance { function: function.to_owned(), deed, share, random: Random(seed) });
        }
    }

    /// Freezes (SIGSTOP) the processes of a function whenever they wait for an invocation, as Lambda does with sandboxes.
    pub fn freeze_idle(&self, function: &str, on: bool) {
        if on {
            self.state().frozen.insert(function.to_owned());
        } else {
            self.state().frozen.remove(function);
        }
    }

    /// How often something went wrong for a function since the start, by what it was: `killed after a call`, `frozen while idle`, `throttled` …
    /// For refusals of DynamoDB the function is the one that was refused.
    pub fn happened(&self, function: &str) -> BTreeMap<&'static str, u64> {
        let state = self.state();
        let of = state.happened.iter().filter(|((name, _), _)| name == function);
        of.map(|((_, what), count)| (*what, *count)).collect()
    }

    /// Refuses the next `calls` requests to a table with `ProvisionedThroughputExceededException`; 0 ends it.
    pub fn throttle(&self, table: &str, calls: u64) {
        self.state().throttled.set(table, None, calls);
    }

    /// The same for the requests to one item: all rows of a partition key, a text.
    pub fn throttle_item(&self, table: &str, partition_key: &str, calls: u64) {
        self.state().throttled.set(table, Some(partition_key), calls);
    }

    /// Throttles this share (0 to 1) of the requests to each item of a table; 0 ends it.
    pub fn throttle_items(&self, table: &str, share: f64, seed: u64) {
        self.state().throttled.share(table, share, seed);
    }

    /// Refuses the next `calls` writes to a table with `TransactionConflict`; 0 ends it.
    pub fn conflict(&self, table: &str, calls: u64) {
        self.state().conflicts.set(table, None, calls);
    }

    /// The same for the writes to one item: all rows of a partition key, a text.
    pub fn conflict_item(&self, table: &str, partition_key: &str, calls: u64) {
        self.state().conflicts.set(table, Some(partition_key), calls);
    }

    /// Refuses this share (0 to 1) of the writes to each item of a table with `TransactionConflict`; 0 ends it.
    pub fn conflict_items(&self, table: &str, share: f64, seed: u64) {
        self.state().conflicts.share(table, share, seed);
    }

    /// Answers every reading without `ConsistentRead` (`GetItem`, `Query`, `BatchGetItem`) with the items as they were before the last
    /// change of each. The table needs a stream with old images.
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

    /// Ends every fault. What happened stays known.
    pub fn clear(&self) {
        let mut state = self.state();
        *state = State { happened: std::mem::take(&mut state.happened), ..State::default() };
    }

    /// Whether a process of this function is to be killed at this point of the invocation; asked once per invocation.
    pub fn take_kill(&self, function: &str, point: Point) -> bool {
        let mut state = self.state();
        let found = state.kills.iter().position(|(name, at)| name == function && *at == point);
        let found = found.map(|index| state.kills.remove(index)).is_some();
        if found {
            state.count(function, "killed around an answer");
        }
        found
    }

    /// Remembers that something went wrong.
    pub(crate) fn note(&self, function: &str, what: &'static str) {
        self.state().count(function, what);
    }

    /// Whether the waiting processes of a function are frozen.
    pub(crate) fn freezes(&self, function: &str) -> bool {
        self.state().frozen.contains(function)
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
            state.count(function, deed.name());
            return Some(deed);
        }
        let concerned =
            |chance: &&mut Chance| chance.function == function && (write || chance.deed != Deed::LoseAnswer);
        let deed = state
            .chances
            .iter_mut()
            .filter(concerned)
            .find_map(|chance| (chance.random.share() < chance.share).then_some(chance.deed))?;
        state.count(function, deed.name());
        Some(deed)
    }

    /// Whether this request of a function to an item is to be throttled.
    pub(crate) fn take_throttle(&self, function: &str, table: &str, item: Option<&str>) -> bool {
        let mut state = self.state();
        let taken = state.throttled.take(table, item);
        if taken {
            state.count(function, "throttled");
        }
        taken
    }

    /// Whether this write of a function to an item is to meet a conflict.
    pub(crate) fn take_conflict(&self, function: &str, table: &str, item: Option<&str>) -> bool {
        let mut state = self.state();
        let taken = state.conflicts.take(table, item);
        if taken {
            state.count(function, "in conflict");
        }
        taken
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

impl State {
    fn count(&mut self, function: &str, what: &'static str) {
        *self.happened.entry((function.to_owned(), what)).or_default() += 1;
    }
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
        assert_eq!([1, 2, 3].map(|_| faults.take_throttle("f", "T", Some("a"))), [true, true, false]);
        assert_eq!(faults.happened("f"), BTreeMap::from([("throttled", 2)]));
    }

    #[test]
    fn a_throttled_item_leaves_the_others_alone() {
        let faults = Faults::default();
        faults.throttle_item("T", "a", 1);
        faults.conflict_item("T", "b", 1);
        assert!(!faults.take_throttle("f", "T", Some("b")) && !faults.take_throttle("f", "U", Some("a")));
        assert_eq!([1, 2].map(|_| faults.take_throttle("f", "T", Some("a"))), [true, false]);
        assert_eq!([1, 2].map(|_| faults.take_conflict("f", "T", Some("b"))), [true, false]);
    }

    #[test]
    fn what_happens_by_chance_is_the_same_for_a_seed_and_about_its_share() {
        let faults = Faults::default();
        let met = |seed: u64| -> Vec<Option<Deed>> {
            faults.by_chance("f", Deed::KillAfter, 0.2, seed);
            (0..1000).map(|_| faults.at("f", "GetItem", false)).collect()
        };
        let first = met(5);
        let count = first.iter().flatten().count();
        assert!((150..250).contains(&count), "{count}");
        assert_eq!(met(5), first);
        assert_ne!(met(6), first);
        faults.by_chance("f", Deed::KillAfter, 0.0, 0);
        assert_eq!(faults.at("f", "GetItem", false), None);
        faults.lose_answers("f", 1.0, 1);
        assert_eq!(faults.at("f", "GetItem", false), None, "a reading has no answer worth losing");
        assert_eq!(faults.at("f", "PutItem", true), Some(Deed::LoseAnswer));
        faults.throttle_items("T", 1.0, 1);
        faults.conflict_items("T", 1.0, 1);
        assert!(faults.take_throttle("f", "T", None) && faults.take_conflict("f", "T", Some("x")));
        faults.clear();
        assert!(!faults.take_throttle("f", "T", None) && !faults.take_conflict("f", "T", Some("x")));
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
