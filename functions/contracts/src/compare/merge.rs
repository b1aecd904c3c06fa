//! What fits two types at once: their kinds put together.

use std::collections::BTreeMap;

use shared::surface::{EnumValue, Text};

use super::flat::{Field, Flat, Kind, Listing, Record};
use super::side::{SetId, Side, least};

impl Side<'_> {
    /// What fits both.
    pub(super) fn merge(&mut self, left: Flat, right: Flat) -> Flat {
        let implied = left.implied && right.implied;
        let nominal = left.nominal.clone().or_else(|| right.nominal.clone());
        let mut asides = [left.asides, right.asides].concat();
        // A type that says nothing of another kind lets it through.
        let (left_implied, right_implied) = (left.implied, right.implied);
        let kind = match (left.kind, right.kind) {
            (Kind::Any, other) => return Flat { kind: other, implied: right_implied, nominal, asides },
            (other, Kind::Any) => return Flat { kind: other, implied: left_implied, nominal, asides },
            (Kind::Null, Kind::Null) => Kind::Null,
            (Kind::Scalar(left), Kind::Scalar(right)) if left.is_near(&right) => {
                Kind::Scalar(Box::new(left.with(&right)))
            }
            (Kind::Enum { values, open }, Kind::Enum { values: others, open: also }) => {
                let is_there = |value: &EnumValue| others.iter().any(|other| other.value == value.value);
                let values: Vec<EnumValue> = values.into_iter().filter(is_there).collect();
                let open = open && also;
                if values.is_empty() && !open { Kind::Never } else { Kind::Enum { values, open } }
            }
            (Kind::Enum { values, open }, Kind::Scalar(scalar))
            | (Kind::Scalar(scalar), Kind::Enum { values, open }) => {
                let values: Vec<EnumValue> = values
                    .into_iter()
                    .filter(|value| scalar.may_hold(value.value.text()) && scalar.within(value.value.text()))
                    .collect();
                // Limits beside listed values refuse none of them that should be there, but they are said.
                asides.push(Kind::Scalar(scalar));
                if values.is_empty() && !open { Kind::Never } else { Kind::Enum { values, open } }
            }
            (Kind::Record(left), Kind::Record(right)) => Kind::Record(Box::new(self.merge_records(*left, *right))),
            (Kind::List(left), Kind::List(right)) => Kind::List(self.merge_lists(&left, &right)),
            (Kind::Map { key, value }, Kind::Map { key: keys, value: values }) => {
                Kind::Map { key: self.both(key, keys), value: self.both(value, values) }
            }
            (left, right) if right_implied && !left_implied => {
                asides.push(right);
                left
            }
            (left, right) if left_implied && !right_implied => {
                asides.push(left);
                right
            }
            _ => Kind::Never,
        };
        Flat { kind, implied, nominal, asides }
    }

    fn merge_records(&mut self, left: Record, right: Record) -> Record {
        let mut names: Vec<Text> = left.fields.keys().chain(right.fields.keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        let mut fields = BTreeMap::new();
        for name in names {
            let field = match (left.fields.get(&name), right.fields.get(&name)) {
                (Some(one), Some(two)) => {
                    let set = self.both(one.set, two.set);
                    one.with(two, set)
                }
                (Some(one), None) => self.against(one, right.additional),
                (None, Some(two)) => self.against(two, left.additional),
                (None, None) => continue,
            };
            fields.insert(name, field);
        }
        let mut patterns = left.patterns;
        patterns.extend(right.patterns);
        patterns.sort();
        patterns.dedup();
        let additional = match (left.additional, right.additional) {
            (Some(one), Some(two)) => Some(self.both(one, two)),
            (one, two) => one.or(two),
        };
        Record {
            fields,
            additional,
            patterns,
            min: left.min.max(right.min),
            max: least(left.max, right.max),
            choices: [left.choices, right.choices].concat(),
            dependent: [left.dependent, right.dependent].concat(),
            interfaces: [left.interfaces, right.interfaces].concat(),
            is_interface: left.is_interface || right.is_interface,
        }
    }

    /// A field of one record that another only knows as one of its others.
    fn against(&mut self, field: &Field, additional: Option<SetId>) -> Field {
        match additional {
            Some(additional) => Field { set: self.both(field.set, additional), ..field.clone() },
            None => field.clone(),
        }
    }

    fn merge_lists(&mut self, left: &Listing, right: &Listing) -> Listing {
        let length = left.prefix.len().max(right.prefix.len());
        let at = |list: &Listing, place: usize| list.prefix.get(place).copied().or(list.items);
        let mut prefix = Vec::new();
        for place in 0..length {
            prefix.push(match (at(left, place), at(right, place)) {
                (Some(one), Some(two)) => self.both(one, two),
                (one, two) => one.or(two).unwrap_or(Self::ANY),
            });
        }
        let items = match (left.items, right.items) {
            (Some(one), Some(two)) => Some(self.both(one, two)),
            (one, two) => one.or(two),
        };
        Listing {
            items,
            prefix,
            min: left.min.max(right.min),
            max: least(left.max, right.max),
            unique: left.unique || right.unique,
        }
    }
}
