//! Proofs that every value that fits one set fits another. A proof that is not found says nothing.

use foldhash::HashMap;
use shared::surface::{Digest, Direction};

use super::flat::{Flat, Kind, Listing, Numbers, Record, Shift};
use super::scalars::{format_shift, takes_any_text};
use super::side::{SetId, Side, is_required};
use super::walk::Way;

/// Levels of a proof.
const DEPTH_MAX: u32 = 40;
/// Steps of all proofs of a comparison.
const STEPS_MAX: u32 = 2_000_000;

/// The first fits the second, sent this way.
type Key = (Digest, Digest, Way);

/// What was proved.
#[derive(Default)]
pub(super) struct Proofs {
    /// What is known, or taken to hold while it is being proved.
    known: HashMap<Key, bool>,
    /// What holds as far as is known, the newest last: what comes after an assumption may hang on it.
    holding: Vec<Key>,
    steps: u32,
}

impl Proofs {
    /// Whether proofs were given up because there were too many.
    pub(super) fn is_full(&self) -> bool {
        self.steps >= STEPS_MAX
    }

    /// Whether every value of the first fits the second.
    pub(super) fn covers(
        &mut self,
        from: &mut Side<'_>,
        small: SetId,
        to: &mut Side<'_>,
        large: SetId,
        way: Way,
    ) -> bool {
        self.prove(from, small, to, large, way, 0)
    }

    fn prove(
        &mut self,
        from: &mut Side<'_>,
        small: SetId,
        to: &mut Side<'_>,
        large: SetId,
        way: Way,
        depth: u32,
    ) -> bool {
        let key = (from.digest(small), to.digest(large), way);
        if key.0 == key.1 || large == Side::ANY {
            return true;
        }
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        self.steps += 1;
        if depth >= DEPTH_MAX || self.steps >= STEPS_MAX {
            return false;
        }
        if from.has_unresolved(small)
            || to.has_unresolved(large)
            || !to.residuals(large).is_empty()
            || to.is_exclusive(large)
        {
            return false;
        }
        let (Some(parts), Some(wholes)) = (from.alternatives(small), to.alternatives(large)) else { return false };
        // A cycle holds if all of it does: what is taken to hold here is taken back below.
        let since = self.holding.len();
        self.holding.push(key);
        self.known.insert(key, true);
        let proved = parts.iter().all(|part| {
            let one = from.flat(part.set);
            wholes.iter().any(|whole| {
                let other = to.flat(whole.set);
                if !to.residuals(whole.set).is_empty() {
                    return false;
                }
                self.flat(from, &one, to, &other, way, depth + 1)
            })
        });
        if !proved {
            // What was proved with it may be wrong: forget what may hang on it.
            for forgotten in self.holding.drain(since..) {
                self.known.remove(&forgotten);
            }
            self.known.insert(key, false);
        }
        proved
    }

    fn flat(&mut self, from: &mut Side<'_>, one: &Flat, to: &mut Side<'_>, other: &Flat, way: Way, depth: u32) -> bool {
        if one.nominal != other.nominal || (one.implied && !other.implied && !matches!(other.kind, Kind::Any)) {
            return false;
        }
        match (&one.kind, &other.kind) {
            (Kind::Never, _) | (_, Kind::Any) | (Kind::Null, Kind::Null) => true,
            // What is listed may be of several kinds: each value is looked at.
            (Kind::Enum { values, open: false }, Kind::Scalar(limits)) if other.implied => values
                .iter()
                .map(|value| value.value.text())
                .all(|value| limits.holds(value) || !limits.may_hold(value)),
            (Kind::Any | Kind::Enum { .. }, _) if other.implied => false,
            (kind, other_kind) if other.implied && kind.class() != other_kind.class() => true,
            (Kind::Scalar(one), Kind::Scalar(other)) => scalar(one, other, way),
            (Kind::Enum { values, open: false }, Kind::Scalar(other)) => {
                values.iter().all(|value| other.holds(value.value.text()))
            }
            (Kind::Enum { values, open }, Kind::Enum { values: others, open: is_open }) => {
                (!open || *is_open) && values.iter().all(|value| others.iter().any(|other| other.value == value.value))
            }
            (Kind::Record(one), Kind::Record(other)) => self.record(from, one, to, other, way, depth),
            (Kind::List(one), Kind::List(other)) => self.list(from, one, to, other, way, depth),
            (Kind::Map { key, value }, Kind::Map { key: keys, value: values }) => {
                self.prove(from, *key, to, *keys, way, depth) && self.prove(from, *value, to, *values, way, depth)
            }
            _ => false,
        }
    }

    fn record(
        &mut self,
        from: &mut Side<'_>,
        one: &Record,
        to: &mut Side<'_>,
        other: &Record,
        way: Way,
        depth: u32,
    ) -> bool {
        let is_sent = |direction| direction != way.pick(Direction::ReadOnly, Direction::WriteOnly);
        let plain =
            |record: &Record| record.patterns.is_empty() && record.dependent.is_empty() && record.choices.is_empty();
        if !plain(other) || !one.patterns.is_empty() || one.is_interface != other.is_interface {
            return false;
        }
        let within = is_within((one.min, one.max), (other.min, other.max));
        let others_fit = match (one.additional, other.additional) {
            (_, None) => true,
            (one, Some(other)) => {
                let closed = one.is_some_and(|one| from.is_never(one));
                closed || self.prove(from, one.unwrap_or(Side::ANY), to, other, way, depth)
            }
        };
        if !within || !others_fit {
            return false;
        }
        let have = other.fields.iter().filter(|(_, field)| is_sent(field.direction)).all(|(name, field)| {
            if let Some(own) = one.fields.get(name).filter(|field| is_sent(field.direction)) {
                (!is_required(field.presence) || is_required(own.presence))
                    && own.arguments.is_empty()
                    && field.arguments.is_empty()
                    && self.prove(from, own.set, to, field.set, way, depth)
            } else {
                let rest = one.additional.unwrap_or(Side::ANY);
                !is_required(field.presence)
                    && (from.is_never(rest) || self.prove(from, rest, to, field.set, way, depth))
            }
        });
        have && one
            .fields
            .iter()
            .filter(|(name, field)| is_sent(field.direction) && !other.fields.contains_key(*name))
            .all(|(_, field)| {
                other.additional.is_none_or(|additional| self.prove(from, field.set, to, additional, way, depth))
            })
    }

    fn list(
        &mut self,
        from: &mut Side<'_>,
        one: &Listing,
        to: &mut Side<'_>,
        other: &Listing,
        way: Way,
        depth: u32,
    ) -> bool {
        let within = is_within((one.min, one.max), (other.min, other.max)) && (one.unique || !other.unique);
        let at = |list: &Listing, place: usize| list.prefix.get(place).copied().or(list.items).unwrap_or(Side::ANY);
        let length = one.prefix.len().max(other.prefix.len());
        within && (0..=length).all(|place| self.prove(from, at(one, place), to, at(other, place), way, depth))
    }
}

/// Whether a number between the first two is between the others.
fn is_within(one: (Option<u64>, Option<u64>), other: (Option<u64>, Option<u64>)) -> bool {
    one.0 >= other.0 && (other.1.is_none() || one.1.is_some_and(|max| Some(max) <= other.1))
}

fn scalar(one: &Numbers, other: &Numbers, way: Way) -> bool {
    use shared::surface::ScalarKind::{Integer, Number};
    if way == Way::Text && takes_any_text(other) {
        return true;
    }
    let kinds = one.kind == other.kind || (one.kind == Integer && other.kind == Number);
    kinds
        && (one.formats == other.formats || format_shift(&other.formats, &one.formats) == Shift::Tighter)
        && other.patterns.iter().all(|pattern| one.patterns.contains(pattern))
        && other.shifts(one).iter().all(|(_, _, shift)| *shift == Shift::Tighter)
}

/// Whether a value may fit both: only what surely excludes one another does not.
pub(super) fn overlap(one: &Flat, other: &Flat) -> bool {
    if one.implied || other.implied {
        return true;
    }
    match (&one.kind, &other.kind) {
        (Kind::Enum { values, open: false }, Kind::Enum { values: others, open: false }) => {
            values.iter().any(|value| others.iter().any(|other| other.value == value.value))
        }
        (Kind::Record(one), Kind::Record(other)) => {
            let closes = |side: &Record, names: &Record| {
                side.additional.is_some()
                    && names
                        .fields
                        .iter()
                        .any(|(name, field)| is_required(field.presence) && !side.fields.contains_key(name))
            };
            !closes(one, other) && !closes(other, one)
        }
        (one, other) => matches!(one, Kind::Any) || matches!(other, Kind::Any) || one.class() == other.class(),
    }
}
