//! The names of a sandbox among the writers of a grant. A write whose answer was lost is known again by its writer's name and
//! number, so a name has one write at a time: whoever writes takes the lowest name that is free, and gives it back afterwards.
//! A sandbox with one call at a time uses one name.
//!
//! A name is free again even if its write was given up and may still arrive. The numbers of a sandbox grow, so a late request has
//! a smaller one than all tries of whoever has the name next: it is not taken for one of them, and it is not applied after one,
//! because the condition asks for a smaller number than its own.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names that are taken: by grant, their numbers.
#[derive(Debug, Default)]
pub(crate) struct Writers(Mutex<HashMap<String, BTreeSet<usize>>>);

/// A name, as long as a write needs it.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    writers: &'a Writers,
    grant: &'a str,
    number: usize,
    /// The name.
    pub(crate) name: String,
}

impl Writers {
    fn taken(&self) -> MutexGuard<'_, HashMap<String, BTreeSet<usize>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lowest name that is free. The first one is the sandbox's own.
    pub(crate) fn take<'a>(&'a self, sandbox: &str, grant: &'a str) -> Writer<'a> {
        let mut all = self.taken();
        let taken = all.entry(grant.to_owned()).or_default();
        let number = (0..=taken.len()).find(|number| !taken.contains(number)).unwrap_or_default();
        taken.insert(number);
        let name = if number == 0 { sandbox.to_owned() } else { format!("{sandbox}{number}") };
        Writer { writers: self, grant, number, name }
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        let mut all = self.writers.taken();
        if let Some(taken) = all.get_mut(self.grant) {
            taken.remove(&self.number);
            if taken.is_empty() {
                all.remove(self.grant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_write_at_a_time_and_the_lowest_free_one_is_taken() {
        let writers = Writers::default();
        let first = writers.take("me", "a");
        let second = writers.take("me", "a");
        let third = writers.take("me", "a");
        let other = writers.take("me", "b");
        assert_eq!([&first.name, &second.name, &third.name, &other.name], ["me", "me1", "me2", "me"]);
        drop(second);
        assert_eq!(writers.take("me", "a").name, "me1");
        drop((first, third, other));
        assert!(writers.taken().is_empty(), "nothing is kept of grants that nobody writes");
    }
}
