//! What came of a run, and what must be true of it.

use std::{collections::BTreeMap, fmt, fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use super::{
    DOOR, DOORS_TABLE, Run, locked,
    plan::{Chosen, NAMES, is_leased, quota},
    upstream::Fact,
};
use crate::Call;

/// The most that one call weighs.
const UNITS_MAX: u64 = 5;

/// The most units that a lease has.
const BLOCK_MAX: u64 = 256;

/// A run has calls in so many months.
const MONTHS: u64 = 2;

/// One subscription's line.
#[derive(Clone, Debug, Default)]
struct Line {
    sent: u64,
    /// Calls that reached the upstream, and what they weigh.
    reached: u64,
    reached_units: u64,
    /// Those that the upstream failed.
    failing: u64,
    /// Whether calls are admitted from leases.
    leased: bool,
    /// Units of what the upstream answered well, and of these by month, where the month is certain.
    served_units: u64,
    kept_units: [u64; 2],
    /// The most that a month may admit.
    quota: Option<u64>,
    /// By the grant: units used in its window, those that were left behind on leases, and units ever admitted and given back.
    used: u64,
    left_behind: u64,
    /// How often the grant was written, by whomever.
    writes: u64,
    grant_admitted: u64,
    grant_refunded: u64,
    /// By usage: calls admitted, calls given back, units.
    admitted: u64,
    refunded: u64,
    units: i64,
    /// By invoices, where the platform writes them.
    invoiced: Option<Invoiced>,
}

/// What the invoices of a subscription say.
#[derive(Clone, Debug, Default)]
pub(super) struct Invoiced {
    /// One for each month.
    invoices: u64,
    /// The units that they were rated from.
    units: u64,
    /// How many agree with the hours of usage, and are the same to the byte when they are computed again.
    proven: u64,
}

/// The invoices of a subscription; `None` where the platform writes none.
pub(super) async fn invoiced(run: &Run<'_>, subscription: &str) -> Option<Invoiced> {
    let token = &run.consumer.token;
    let path = format!("/v1/billing/invoices?subscription={subscription}");
    let listed = run.platform.send(Call::get(path).bearer(token)).await;
    if listed.status == 404 {
        return None;
    }
    let mut invoiced = Invoiced::default();
    for invoice in listed.json().unwrap()["items"].as_array().unwrap() {
        let path = format!("/v1/billing/invoices/{}", invoice["id"].as_str().unwrap());
        let usage = run.platform.get(token, format!("{path}/usage")).await;
        let again = run.platform.post(token, format!("{path}/recompute"), &Value::Null).await;
        invoiced.invoices += 1;
        invoiced.units += usage["sealed_units"].as_u64().unwrap();
        invoiced.proven += u64::from(usage["equal"] == true && again["identical"] == true);
    }
    Some(invoiced)
}

impl Invoiced {
    /// Whether each month has one that is proven.
    pub(super) fn whole(&self) -> bool {
        self.invoices == MONTHS && self.proven == MONTHS
    }
}

/// The ledger of a run.
#[derive(Debug)]
pub struct Ledger {
    sent: u64,
    seed: u64,
    took: Duration,
    again: u64,
    answers: BTreeMap<String, u64>,
    lines: Vec<Line>,
    happened: BTreeMap<&'static str, u64>,
    /// Calls refused because nobody could know whether they were counted.
    unknown: u64,
    /// Failed calls that the door says it could not give back.
    unrefunded: u64,
    /// Leases that the door says it gave up.
    given_up: u64,
    /// Calls whose failure was answered although the upstream did not fail them.
    unlike: u64,
    broken: Vec<String>,
}

impl Ledger {
    pub(super) async fn of(run: &Run<'_>, took: Duration) -> Self {
        let mut ledger = Self {
            sent: run.wish.calls,
            seed: run.wish.seed,
            took,
            again: run.again.load(std::sync::atomic::Ordering::Relaxed),
            answers: locked(&run.answers).clone(),
            lines: Vec::new(),
            happened: run.platform.faults().happened(DOOR),
            unknown: run.platform.logged(DOOR, &["admission closed", "\"unknown\":true"]),
            unrefunded: run.platform.logged(DOOR, &["\"unrefunded\":"]),
            given_up: run.platform.logged(DOOR, &["\"stranded\":"]),
            unlike: 0,
            broken: Vec::new(),
        };
        for (number, subscription) in run.subscriptions.iter().enumerate() {
            let id = locked(subscription).id.clone();
            let quota = quota(run.wish.calls, number).map(|[one, other]| one.max(other));
            ledger.lines.push(Line { quota, leased: is_leased(number), ..ledger.counted(run, &id).await });
        }
        ledger.judge_calls(run);
        ledger.judge();
        ledger
    }

    /// What the grant and usage say of a subscription.
    async fn counted(&self, run: &Run<'_>, id: &str) -> Line {
        let key = json!({ "pk": { "S": id }, "sk": { "S": "G" } });
        let grant = run.platform.cloud().item(DOORS_TABLE, &key).unwrap_or_default();
        let number = |name: &str| grant[name]["N"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        let (from, to) = (run.first_month, run.first_month.month().1.month().1);
        let path = format!("/v1/usage?subscription={id}&from={from}&to={to}");
        let usage = run.platform.get(&run.consumer.token, path).await;
        let count = |name: &str| usage[name].as_u64().unwrap();
        Line {
            used: number("u"),
            left_behind: number("lo"),
            writes: number("v"),
            grant_admitted: number("la"),
            grant_refunded: number("lf"),
            admitted: count("admitted"),
            refunded: count("failed"),
            units: usage["units"].as_i64().unwrap(),
            invoiced: invoiced(run, id).await,
            ..Line::default()
        }
    }

    /// What is true of each call by itself.
    fn judge_calls(&mut self, run: &Run<'_>) {
        let calls = &run.calls;
        let (mut twice, mut barred, mut unmet) = (0_u64, 0_u64, 0_u64);
        for number in 0..run.wish.calls {
            let chosen = Chosen::of(run.wish.seed, number);
            let line = &mut self.lines[chosen.subscription];
            let reached = calls.reached(number);
            line.sent += 1;
            if reached > 0 {
                line.reached += 1;
                line.reached_units += chosen.units();
                line.failing += u64::from(chosen.errand.fails());
                barred += u64::from(calls.is(number, Fact::Barred));
                let kept = !chosen.errand.fails() && !calls.is(number, Fact::Failed);
                self.unlike += u64::from(!chosen.errand.fails() && calls.is(number, Fact::Failed));
                line.served_units += if kept { chosen.units() } else { 0 };
                for (month, fact) in [Fact::FirstMonth, Fact::SecondMonth].into_iter().enumerate() {
                    if kept && calls.is(number, fact) {
                        line.kept_units[month] += chosen.units();
                    }
                }
            }
            // What failed may be tried again; what was answered well is not.
            twice += u64::from(reached > 1 && !chosen.errand.fails());
            unmet += u64::from(reached == 0 && calls.is(number, Fact::Answered));
        }
        self.hold(twice == 0, || format!("{twice} calls reached the upstream twice"));
        self.hold(barred == 0, || {
            format!("{barred} calls got through that were sent after their key's end was answered")
        });
        self.hold(unmet == 0, || format!("{unmet} calls have an upstream's answer without having reached it"));
    }

    /// What is true of the sums.
    fn judge(&mut self) {
        let (kills, unknown, unrefunded, unlike) = (self.kills(), self.unknown, self.unrefunded, self.unlike);
        let lines = self.lines.clone();
        let sum = |of: fn(&Line) -> u64| lines.iter().map(of).sum::<u64>();
        for (line, name) in lines.iter().zip(NAMES) {
            let most = line.quota.unwrap_or(u64::MAX);
            self.hold(line.used <= most, || format!("{name}: the grant has {} units used of {most}", line.used));
            for (month, kept) in line.kept_units.into_iter().enumerate() {
                self.hold(kept <= most, || format!("{name}: {kept} units in month {month}, over the quota of {most}"));
            }
            let left = i64::try_from(line.grant_admitted).unwrap() - i64::try_from(line.grant_refunded).unwrap();
            self.hold(line.units == left, || format!("{name}: usage shows {} units, the grant {left}", line.units));
            if let Some(invoiced) = &line.invoiced {
                self.hold(invoiced.whole(), || {
                    format!(
                        "{name}: {} invoices of {MONTHS} months, {} of them proven",
                        invoiced.invoices, invoiced.proven
                    )
                });
                self.hold(i64::try_from(invoiced.units).unwrap() == left, || {
                    format!("{name}: the invoices were rated from {} units, the grant has {left}", invoiced.units)
                });
            }
            if line.leased {
                self.judge_leased(line, name);
            } else {
                self.hold(line.reached <= line.admitted, || {
                    format!("{name}: {} calls reached the upstream, {} were admitted", line.reached, line.admitted)
                });
                self.hold(line.reached_units <= line.grant_admitted && line.left_behind == 0, || {
                    let Line { reached_units, grant_admitted, .. } = line;
                    format!("{name}: {reached_units} units reached the upstream, {grant_admitted} were counted")
                });
            }
            self.hold(line.refunded <= line.failing + unlike, || {
                format!("{name}: {} calls were given back, {} failed", line.refunded, line.failing + unlike)
            });
        }
        let stranded = sum(|line| line.admitted.saturating_sub(line.reached));
        self.hold(stranded <= kills + unknown, || {
            format!("{stranded} admitted calls never reached the upstream, with {kills} kills and {unknown} unknown")
        });
        let units = sum(|line| line.grant_admitted.saturating_sub(line.reached_units));
        self.hold(units <= (kills + unknown) * UNITS_MAX, || {
            format!("{units} units were counted of calls that never reached it")
        });
        // Under leases a failed call goes back to its lease, and is not told where the lease is left behind.
        let exact = |line: &Line, of: u64| if line.leased { 0 } else { of };
        let (failing, refunded) = lines.iter().fold((0, 0), |(failing, refunded), line| {
            (failing + exact(line, line.failing), refunded + exact(line, line.refunded))
        });
        let kept = failing.saturating_sub(refunded);
        self.hold(kept <= kills + unrefunded, || {
            format!(
                "{kept} failed calls were not given back, with {kills} kills and {unrefunded} that the door gave up"
            )
        });
        let (told, sent) = (self.answers.values().sum::<u64>(), self.sent);
        self.hold(told == sent, || format!("{told} answers to {sent} calls"));
    }

    /// What is true of a subscription with leases: what was served is counted, or left behind with a lease.
    fn judge_leased(&mut self, line: &Line, name: &str) {
        let most = (self.kills() + self.unknown + self.given_up) * BLOCK_MAX;
        self.hold(line.left_behind <= most, || {
            format!("{name}: {} units were left behind, and {most} could have been", line.left_behind)
        });
        self.hold(line.served_units <= line.grant_admitted + line.left_behind, || {
            let Line { served_units, grant_admitted, left_behind, .. } = line;
            format!("{name}: {served_units} units were served, {grant_admitted} counted, {left_behind} left behind")
        });
    }

    fn hold(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(otherwise());
        }
    }

    /// Processes of the door that ended in the middle of something.
    fn kills(&self) -> u64 {
        self.happened
            .iter()
            .filter(|(what, _)| what.starts_with("killed") || **what == "timed out")
            .map(|(_, n)| n)
            .sum()
    }

    /// The rules that do not hold.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// How many processes of the door were killed.
    pub fn killed(&self) -> u64 {
        self.kills()
    }

    /// How many calls were admitted from leases without a write of their own, at least.
    fn leased(&self) -> u64 {
        self.lines.iter().filter(|line| line.leased).map(|line| line.admitted.saturating_sub(line.writes)).sum()
    }

    /// How many calls reached the upstream.
    pub fn reached(&self) -> u64 {
        self.lines.iter().map(|line| line.reached).sum()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let rate = f64::from(u32::try_from(self.sent).unwrap_or(u32::MAX)) / seconds;
        writeln!(f, "seed {}: {} calls in {seconds:.1} s, {rate:.0} a second", self.seed, self.sent)?;
        writeln!(f, "\nanswered")?;
        for (label, count) in &self.answers {
            writeln!(f, "{count:>9}  {label}")?;
        }
        writeln!(f, "\nwhat went wrong at the door")?;
        for (what, count) in &self.happened {
            writeln!(f, "{count:>9}  {what}")?;
        }
        writeln!(
            f,
            "{:>9}  refused as unknown\n{:>9}  failed and not given back, by the log\n{:>9}  leases given up, by the log",
            self.unknown, self.unrefunded, self.given_up
        )?;
        writeln!(f, "{:>9}  actions sent again", self.again)?;
        writeln!(f, "{:>9}  calls from leases, without a write of their own", self.leased())?;
        let mut table = String::new();
        let columns = [
            "",
            "sent",
            "upstream",
            "failed",
            "admitted",
            "given back",
            "units by usage",
            "by grant",
            "by invoices",
            "writes",
            "left behind",
            "month 1 kept",
            "month 2 kept",
            "quota",
        ];
        let row = |cells: &[String]| {
            cells.iter().fold(String::new(), |mut row, cell| {
                let _written = write!(row, "{cell:>15}");
                row
            })
        };
        writeln!(table, "{}", row(&columns.map(str::to_owned)))?;
        for (line, name) in self.lines.iter().zip(NAMES) {
            let left = i64::try_from(line.grant_admitted).unwrap_or(i64::MAX)
                - i64::try_from(line.grant_refunded).unwrap_or(0);
            let cells = [
                name.to_owned(),
                line.sent.to_string(),
                line.reached.to_string(),
                line.failing.to_string(),
                line.admitted.to_string(),
                line.refunded.to_string(),
                line.units.to_string(),
                left.to_string(),
                line.invoiced.as_ref().map_or("none yet".to_owned(), |invoiced| invoiced.units.to_string()),
                line.writes.to_string(),
                line.left_behind.to_string(),
                line.kept_units[0].to_string(),
                line.kept_units[1].to_string(),
                line.quota.map_or("none".to_owned(), |quota| quota.to_string()),
            ];
            writeln!(table, "{}", row(&cells))?;
        }
        writeln!(f, "\n{table}")?;
        if self.broken.is_empty() {
            writeln!(f, "every rule holds")
        } else {
            self.broken.iter().try_for_each(|rule| writeln!(f, "BROKEN: {rule}"))
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
