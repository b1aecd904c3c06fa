//! A sealed period beside the hours: the same units, counted on two ways.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::event::{PeriodState, SealState};

use crate::domain::{NotUnderstood, signed};
use crate::report::Numbers;

/// A period as it is told, with its parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Period {
    /// What is told.
    pub state: PeriodState,
    /// Its units by the revision of the terms that they were admitted under, in order.
    pub by_terms: Vec<TermsUnits>,
}

/// Units admitted under one revision of the terms and not given back, counted on both ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TermsUnits {
    /// The revision.
    pub revision: u64,
    /// By the hours.
    pub units: i64,
    /// By the seal.
    pub sealed_units: i64,
}

impl Period {
    /// Compares a seal with the hours of its period; none as long as these are not whole.
    ///
    /// They are whole when the frontier has passed the period's end and its last refunds are known too: by the records of
    /// the seal itself, or, should these be lost, once the hour after the period is whole.
    pub fn of(seal: &SealState, numbers: &Numbers) -> Result<Option<Self>, NotUnderstood> {
        let (from, to) = (seal.from.hour(), seal.to.hour());
        let Some(head) = numbers.head.filter(|head| head.hour >= to) else { return Ok(None) };
        let mut counted = seal.terms.iter().filter(|terms| terms.admitted > 0);
        let ended = |revision| numbers.ended.iter().any(|ended| (ended.month, ended.terms) == (from, revision));
        if head.hour == to && !counted.all(|terms| ended(terms.revision)) {
            return Ok(None);
        }
        let report = numbers.report(from..to)?;
        let mut by_terms: BTreeMap<u64, (i64, i64)> =
            report.by_terms.iter().map(|(revision, units)| (*revision, (*units, 0))).collect();
        for terms in seal.terms.iter().filter(|terms| terms.admitted > 0) {
            let sealed = &mut by_terms.entry(terms.revision).or_default().1;
            *sealed = sealed.saturating_add(signed(terms.admitted)).saturating_sub(signed(terms.refunded));
        }
        let sealed = by_terms.values().fold(0_i64, |sum, (_, sealed)| sum.saturating_add(*sealed));
        let state = PeriodState {
            id: seal.id.clone(),
            revision: 1,
            subscription: seal.subscription,
            from: seal.from,
            to: seal.to,
            admitted: report.total.admitted,
            failed: report.total.failed,
            units: u64::try_from(report.total.units).unwrap_or_default(),
            sealed_units: u64::try_from(sealed).unwrap_or_default(),
        };
        let by_terms = by_terms
            .into_iter()
            .map(|(revision, (units, sealed_units))| TermsUnits { revision, units, sealed_units })
            .collect();
        Ok(Some(Self { state, by_terms }))
    }

    /// Whether both ways came to the same, under every revision of the terms.
    #[must_use]
    pub fn equal(&self) -> bool {
        self.by_terms.iter().all(|terms| terms.units == terms.sealed_units)
    }
}

#[cfg(test)]
#[path = "period_tests.rs"]
mod tests;
