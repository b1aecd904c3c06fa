//! Figures: percentiles, and tables in Markdown.

use std::time::Duration;

/// In milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// In megabytes (millions of bytes).
pub fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1_000.0
}

/// The smallest time that this share of the times does not exceed; sorts them.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

/// A table: its head, and rows. Columns are as wide as what stands in them.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([head[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(&mut head.iter().map(|cell| (*cell).to_owned()));
    text += &line(&mut widths.iter().map(|width| "-".repeat(*width)));
    for row in rows {
        text += &line(&mut row.iter().cloned());
    }
    text
}

/// A binary may grow by this much before somebody has to say that it is meant.
pub const GROWTH_PERCENT_MAX: u64 = 10;

/// Whether a binary grew by more than that.
#[must_use]
pub fn is_grown(before: u64, now: u64) -> bool {
    now * 100 > before * (100 + GROWTH_PERCENT_MAX)
}

/// A promise, and whether it holds.
#[derive(Debug)]
pub struct Promise {
    /// What was promised and what was found.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
}

impl Promise {
    /// At most this much.
    pub fn at_most(what: &str, found: f64, most: f64) -> Self {
        Self { text: format!("{what}: {found:.2}, at most {most:.2}"), holds: found <= most }
    }

    /// At least this much.
    pub fn at_least(what: &str, found: f64, least: f64) -> Self {
        Self { text: format!("{what}: {found:.2}, at least {least:.2}"), holds: found >= least }
    }
}

/// Says which promises hold. Whether all do.
pub fn judge(promises: &[Promise]) -> bool {
    for promise in promises {
        dev::say(&format!("{}  {}", if promise.holds { "holds " } else { "BROKEN" }, promise.text));
    }
    promises.iter().all(|promise| promise.holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let mut times: Vec<Duration> = [5, 1, 4, 2, 3].map(Duration::from_millis).to_vec();
        assert_eq!(percentile(&mut times, 50), Duration::from_millis(3));
        assert_eq!(percentile(&mut times, 100), Duration::from_millis(5));
    }

    #[test]
    fn a_table_is_as_wide_as_what_stands_in_it() {
        let rows = [vec!["a".to_owned(), "12345".to_owned()]];
        assert_eq!(table(&["one", "two"], &rows), "| one | two   |\n| --- | ----- |\n| a   | 12345 |\n");
    }

    #[test]
    fn a_binary_may_grow_by_a_tenth() {
        assert!(!is_grown(1_000, 900) && !is_grown(1_000, 1_100) && is_grown(1_000, 1_101));
    }

    #[test]
    fn a_promise_holds_up_to_its_bound() {
        assert!(Promise::at_most("x", 2.0, 2.0).holds && !Promise::at_most("x", 2.01, 2.0).holds);
        assert!(Promise::at_least("x", 2.0, 2.0).holds && !Promise::at_least("x", 1.99, 2.0).holds);
    }
}
