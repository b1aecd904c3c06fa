//! The cloud's clock: the machine's, until it is told to jump forward.
//!
//! It is what functions are told: the time of a request, of an event, of a message, of a change, of a schedule. What merely takes
//! time (visibility, batching, time-outs, retention) goes by the machine, so that a jump loses nothing that is on its way.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The clock. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    jumps: Mutex<Vec<Jump>>,
    /// The latest time that was told, ms since 1970: the machine's clock may be set back.
    told_ms: AtomicI64,
    jumped: watch::Sender<()>,
}

/// From this moment of the machine on, the clock is so far ahead.
#[derive(Clone, Copy, Debug)]
struct Jump {
    from_us: i64,
    ahead_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(Inner { jumps: Mutex::default(), told_ms: AtomicI64::new(0), jumped: watch::channel(()).0 }))
    }
}

impl Clock {
    fn jumps(&self) -> MutexGuard<'_, Vec<Jump>> {
        self.0.jumps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970. Never less than before.
    pub fn now_ms(&self) -> i64 {
        let now_ms = self.at_us(machine_us());
        self.0.told_ms.fetch_max(now_ms, Ordering::Relaxed).max(now_ms)
    }

    /// Now.
    pub fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.now_ms()).unwrap_or_default()
    }

    /// Jumps forward. Schedules that became due meanwhile run once.
    pub fn advance(&self, by: Duration) {
        {
            let mut jumps = self.jumps();
            let ahead_ms = jumps.last().map_or(0, |jump| jump.ahead_ms);
            let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            jumps.push(Jump { from_us: machine_us(), ahead_ms: ahead_ms.saturating_add(by_ms) });
        }
        self.0.jumped.send_replace(());
    }

    /// What this clock showed at a moment of the machine's (microseconds since 1970), in ms since 1970.
    pub(crate) fn at_us(&self, machine_us: i64) -> i64 {
        let ahead_ms = self.jumps().iter().rfind(|jump| jump.from_us <= machine_us).map_or(0, |jump| jump.ahead_ms);
        (machine_us / 1000).saturating_add(ahead_ms)
    }

    /// Changes with every jump.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.jumped.subscribe()
    }
}

fn machine_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A time as events state it: RFC 3339 in whole seconds.
pub fn text(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_moves_what_comes_after_it_and_nothing_before() {
        let (clock, month_ms) = (Clock::default(), 31 * 24 * 3_600_000);
        let (earlier_us, before_ms) = (machine_us() - 1, clock.now_ms());
        clock.advance(Duration::from_hours(31 * 24));
        assert!(clock.now_ms() >= before_ms + month_ms);
        clock.advance(Duration::from_hours(1));
        assert!(clock.now_ms() >= before_ms + month_ms + 3_600_000);
        assert_eq!(clock.at_us(earlier_us), earlier_us / 1000);
    }
}
