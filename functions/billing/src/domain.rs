//! Rating: from the terms of a month and what was counted under them to lines and totals.
//!
//! The month's price is owed in full for every calendar month in UTC in which the subscription was active at some moment;
//! a suspension does not stop it. Where the terms changed inside the month, every UTC day on which the subscription ran
//! belongs to the terms that held last on it, and price and included calls are shared by these days. Units are rated under
//! the terms that they were counted under.

mod document;
#[cfg(test)]
mod tests;

use shared::event::{SealState, SealedTerms};
use shared::money::{Currency, Decimal, PLACES_MAX};
use shared::time::Time;

pub use document::{BillLine, BillingPeriod, Invoice, InvoiceLine, Range, SealedRange};

/// What a line charges for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charge {
    /// The plan's price of a month: so many of the days on which the subscription ran in it.
    Month {
        /// The days of these terms.
        days: u64,
        /// The days of all terms.
        of: u64,
    },
    /// Units that the month's price includes.
    Included {
        /// How many it would have included.
        up_to: u64,
    },
    /// Units beyond those.
    Further,
    /// Units, where the terms include none.
    Calls,
}

/// A line of a bill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// The terms that it is charged under, and what was counted under them.
    pub part: &'a SealedTerms,
    /// What it charges for.
    pub charge: Charge,
    /// How many: months, to twelve places, or units.
    pub quantity: Decimal,
    /// The price of one, as the terms say it.
    pub unit_price: Decimal,
    /// The price of all, rounded once to the currency's minor unit, half away from zero. A share of a month is taken
    /// exactly, not by the twelve places of its quantity.
    pub amount: Decimal,
}

/// What is owed in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bill<'a> {
    /// The currency.
    pub currency: Currency,
    /// The lines, by the revision of the terms.
    pub lines: Vec<Line<'a>>,
    /// The sum of the lines' amounts as they are shown.
    pub total: Decimal,
    /// Units that were admitted under the terms of this currency, also those that were given back.
    pub admitted: u64,
}

impl Bill<'_> {
    /// Whether nothing is owed and nothing was counted: that needs no invoice.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.total == Decimal::ZERO && self.admitted == 0
    }
}

/// An amount that is beyond what money is counted in here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the amount is beyond what a decimal holds")]
pub struct TooMuch;

/// A calendar month in UTC of a subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Month {
    /// Its beginning.
    pub from: Time,
    /// Its end, which is the beginning of the next.
    pub to: Time,
    /// When the subscription first became active.
    pub activated_at: Option<Time>,
    /// When it ended.
    pub cancelled_at: Option<Time>,
}

impl Month {
    /// The month of a seal.
    #[must_use]
    pub fn of(seal: &SealState) -> Self {
        Self { from: seal.from, to: seal.to, activated_at: seal.activated_at, cancelled_at: seal.cancelled_at }
    }

    /// How many of the days on which the subscription ran belong to each of the parts, which are in the order of their
    /// revisions. It ran on a day on which it was active at some moment, the moment of its end not included.
    fn days(self, parts: &[&SealedTerms]) -> Vec<u64> {
        let mut days = vec![0; parts.len()];
        let end = self.cancelled_at.map_or(self.to, |at| at.min(self.to));
        let mut at = self.activated_at.map_or(end, |at| at.max(self.from));
        while at < end {
            let (_, next) = at.day();
            let last = parts.iter().rposition(|part| part.since < next.min(end)).unwrap_or(0);
            if let Some(days) = days.get_mut(last) {
                *days += 1;
            }
            at = next;
        }
        days
    }
}

/// Shares the included calls of the parts by days. They add up: what is lost to rounding goes, one by one, to the largest
/// remainders, and a fraction that is left then is given to the consumer.
fn included(parts: &[&SealedTerms], days: &[u64], of: u64) -> Vec<u64> {
    let of = u128::from(of);
    let exact = || parts.iter().zip(days).map(|(part, days)| u128::from(part.terms.included_calls) * u128::from(*days));
    let remainders: Vec<u128> = exact().map(|calls| calls % of).collect();
    let missing = usize::try_from(remainders.iter().sum::<u128>().div_ceil(of)).unwrap_or(usize::MAX);
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(remainders.get(*index)));
    let lucky = order.get(..missing).unwrap_or(&order);
    // A share is never more than all of it, which is a `u64`.
    let share = |(index, calls): (usize, u128)| {
        u64::try_from(calls / of).unwrap_or(u64::MAX) + u64::from(lucky.contains(&index))
    };
    exact().enumerate().map(share).collect()
}

/// Rates a month: a bill for every currency that its terms have.
pub fn rate(parts: &[SealedTerms], month: Month) -> Result<Vec<Bill<'_>>, TooMuch> {
    let mut parts: Vec<&SealedTerms> = parts.iter().collect();
    parts.sort_by_key(|part| part.revision);
    let mut days = month.days(&parts);
    let ran: u64 = days.iter().sum();
    if ran == 0
        && let Some(last) = days.last_mut()
    {
        // No price is owed. Calls that the door let in at the month's edge are still within what the last terms include.
        *last = 1;
    }
    let mut bills: Vec<Bill<'_>> = Vec::new();
    for ((part, days), included) in parts.iter().zip(&days).zip(included(&parts, &days, ran.max(1))) {
        if *days == 0 && part.admitted == 0 {
            continue;
        }
        let currency = part.terms.currency;
        let index = bills.iter().position(|bill| bill.currency == currency).unwrap_or(bills.len());
        if index == bills.len() {
            bills.push(Bill { currency, lines: Vec::new(), total: Decimal::ZERO, admitted: 0 });
        }
        if let Some(bill) = bills.get_mut(index) {
            bill.charge(part, (*days).min(ran), ran, included)?;
        }
    }
    Ok(bills)
}

impl<'a> Bill<'a> {
    /// Adds the lines of one revision of the terms.
    fn charge(&mut self, part: &'a SealedTerms, days: u64, of: u64, included: u64) -> Result<(), TooMuch> {
        let (terms, places) = (&part.terms, self.currency.places());
        if days > 0 {
            let amount = terms.monthly_price.share(days, of, places);
            let quantity = Decimal::whole(1).share(days, of, PLACES_MAX);
            self.add(part, Charge::Month { days, of }, quantity, terms.monthly_price, amount)?;
        }
        let units = part.admitted.saturating_sub(part.refunded);
        let mut count = |charge, units: u64, price: Decimal| {
            let amount = price.times(units).map(|amount| amount.rounded(places));
            self.add(part, charge, Some(Decimal::whole(units)), price, amount)
        };
        if included == 0 {
            count(Charge::Calls, units, terms.price_per_call)?;
        } else {
            let within = units.min(included);
            count(Charge::Included { up_to: included }, within, Decimal::ZERO)?;
            if units > within {
                count(Charge::Further, units - within, terms.price_per_call)?;
            }
        }
        self.admitted = self.admitted.saturating_add(part.admitted);
        Ok(())
    }

    fn add(
        &mut self,
        part: &'a SealedTerms,
        charge: Charge,
        quantity: Option<Decimal>,
        unit_price: Decimal,
        amount: Option<Decimal>,
    ) -> Result<(), TooMuch> {
        let (quantity, amount) = quantity.zip(amount).ok_or(TooMuch)?;
        self.total = self.total.plus(amount).ok_or(TooMuch)?;
        self.lines.push(Line { part, charge, quantity, unit_price, amount });
        Ok(())
    }
}

/// Units to bill of a month that is not sealed yet. Where more was given back than admitted, nothing is owed for calls.
#[must_use]
pub fn billable(units: i64) -> u64 {
    u64::try_from(units).unwrap_or(0)
}
