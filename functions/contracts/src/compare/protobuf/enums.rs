//! Enumerations.

use std::collections::{BTreeMap, BTreeSet};

use shared::surface::{Enum, EnumValue, Shape, Type};

use super::side::Side;
use super::{Change, Table};
use crate::compare::Level;
use crate::rules;

/// The values by their numbers; several of one are aliases.
type Values<'s> = BTreeMap<i64, Vec<(String, &'s EnumValue)>>;

fn values<'s>(side: &Side<'_>, of: &'s Enum) -> Values<'s> {
    let mut values = Values::new();
    for value in &of.values {
        let name = value.value.as_text().unwrap_or_default();
        values.entry(side.number(value.element)).or_default().push((name, value));
    }
    values
}

fn names(values: &[(String, &EnumValue)]) -> BTreeSet<String> {
    values.iter().map(|(name, _)| name.clone()).collect()
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether all values of an enumeration are in another, under the same names and numbers.
pub(super) fn is_subset(before: &Side<'_>, old: &str, after: &Side<'_>, new: &str) -> bool {
    let of = |side: &Side<'_>, name: &str| match side.ty(name).map(|ty| &ty.shape) {
        Some(Shape::Enum(shape)) => {
            values(side, shape).iter().map(|(number, values)| (*number, names(values))).collect()
        }
        _ => BTreeMap::<i64, BTreeSet<String>>::new(),
    };
    let new = of(after, new);
    of(before, old).iter().all(|(number, names)| new.get(number).is_some_and(|new| names.is_subset(new)))
}

impl Table<'_, '_, '_> {
    pub(super) fn enumeration(&mut self, name: &str, (old_type, old): (&Type, &Enum), (new_type, new): (&Type, &Enum)) {
        let at = (Some(old_type.element), Some(new_type.element));
        // `ENUM_SAME_TYPE`
        if old.open != new.open {
            let state = |open| if open { "open" } else { "closed" };
            let summary = format!("The enumeration {name} changed from {} to {}.", state(old.open), state(new.open));
            let change = Change::new(&rules::PROTOBUF_ENUM_OPENNESS_CHANGED, name, name, summary).from(Level::Package);
            self.add(change.at(at.0, at.1));
        }
        let (was, is) = (
            self.before.facet(old_type.element, "protobuf.default"),
            self.after.facet(new_type.element, "protobuf.default"),
        );
        // What `FIELD_SAME_DEFAULT` says of every field that has no default of its own.
        if was != is {
            let summary = format!("The default of the enumeration {name} has another number.");
            let change = Change::new(&rules::PROTOBUF_ENUM_DEFAULT_CHANGED, name, name, summary).from(Level::Wire);
            self.add(change.at(at.0, at.1));
        }
        let (old_values, new_values) = (values(&self.before, old), values(&self.after, new));
        for (number, old) in &old_values {
            match new_values.get(number) {
                Some(new) => self.value(name, *number, old, new),
                None => self.value_removed(name, new_type, *number, old, at),
            }
        }
        for (number, added) in new_values.iter().filter(|(number, _)| !old_values.contains_key(number)) {
            let summary = format!("The enumeration {name} has the new value {} = {number}.", joined(&names(added)));
            let change = Change::new(&rules::PROTOBUF_ENUM_VALUE_ADDED, name, format!("{name}#{number}"), summary);
            self.add(change.at(at.0, added.first().map(|(_, value)| value.element)));
        }
    }

    /// `ENUM_VALUE_SAME_NAME`: a name that is gone is not understood in JSON and not in code; one that is added is an alias.
    fn value(&mut self, name: &str, number: i64, old: &[(String, &EnumValue)], new: &[(String, &EnumValue)]) {
        let (was, is) = (names(old), names(new));
        let (Some((_, old)), Some((_, new))) = (old.first(), new.first()) else { return };
        let at = (Some(old.element), Some(new.element));
        let subject = format!("{name}#{number}");
        if !was.is_subset(&is) {
            let summary = format!(
                "The value {number} of the enumeration {name} changed its name from {} to {}.",
                joined(&was),
                joined(&is)
            );
            let change = Change::new(&rules::PROTOBUF_ENUM_VALUE_RENAMED, name, subject, summary).from(Level::WireJson);
            self.add(change.at(at.0, at.1));
        } else if was != is {
            let summary = format!("The value {number} of the enumeration {name} has new names: {}.", joined(&is));
            self.add(Change::new(&rules::PROTOBUF_ENUM_VALUE_ADDED, name, subject, summary).at(at.0, at.1));
        }
        self.details(
            name,
            &format!("The value {number} of {name}"),
            &format!("{name}#{number}"),
            (old.element, old.deprecated),
            (new.element, new.deprecated),
        );
    }

    /// `ENUM_VALUE_NO_DELETE`, and before that unless the number, for JSON the names, are reserved.
    fn value_removed(
        &mut self,
        name: &str,
        new_type: &Type,
        number: i64,
        old: &[(String, &EnumValue)],
        at: (Option<shared::surface::ElementId>, Option<shared::surface::ElementId>),
    ) {
        let reserved = self.after.reserved(new_type.element);
        let was = names(old);
        let level = match () {
            () if !reserved.has_number(number) => Level::Wire,
            () if !was.is_subset(&reserved.names) => Level::WireJson,
            () => Level::Package,
        };
        let summary = format!("The value {} = {number} of the enumeration {name} is gone.", joined(&was));
        let change = Change::new(&rules::PROTOBUF_ENUM_VALUE_REMOVED, name, format!("{name}#{number}"), summary);
        self.add(change.from(level).at(old.first().map(|(_, value)| value.element), at.1));
    }
}
