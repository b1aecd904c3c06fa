//! Faults in what is well written: numbers and names that meet, values that cannot be. All but one are warnings: two fields of one number are refused,
//! because no receiver can tell which one came.

use foldhash::{HashMap, HashSet};
use shared::text::camel;

use super::ast::{Enum, Message, Reserved};
use super::index::{EnumDef, Index, Loaded, needs_zero};
use super::lex::Spot;
use crate::readers::{Refused, Warnings, quote};

/// The greatest number of a field.
const NUMBER_MAX: i64 = 536_870_911;

/// Looks for them.
pub(super) fn check(loaded: &[Loaded<'_>], index: &Index<'_>, warnings: &mut Warnings) -> Result<(), Refused> {
    for def in &index.messages {
        if let Some(file) = loaded.get(def.file).filter(|file| file.is_uploaded) {
            Check { file, name: &def.name, warnings }.message(def.ast)?;
        }
    }
    for def in &index.enums {
        if let Some(file) = loaded.get(def.file).filter(|file| file.is_uploaded) {
            Check { file, name: &def.name, warnings }.enumeration(def, def.ast);
        }
    }
    Ok(())
}

struct Check<'c, 'a> {
    file: &'c Loaded<'a>,
    name: &'c str,
    warnings: &'c mut Warnings,
}

impl Check<'_, '_> {
    fn warn(&mut self, code: &str, spot: Spot, message: String) {
        self.warnings.push(code, message, self.file.shown, spot.line, self.name);
    }

    fn message(&mut self, message: &Message<'_>) -> Result<(), Refused> {
        let mut numbers = HashMap::default();
        let mut names = HashSet::default();
        let mut camels = HashSet::default();
        let reserved = Taken::of(&message.reserved);
        for field in &message.fields {
            let (head, number) = (&field.head, field.number);
            if let Some(first) = numbers.insert(number, head.name) {
                let problem = format!(
                    "The fields {} and {} of {} have the same number {number}. Give one of them another.",
                    quote(first),
                    quote(head.name),
                    quote(self.name)
                );
                let refused = Refused::new("duplicate-number", problem);
                return Err(refused.at(self.file.path, head.spot.line, head.spot.column).pointing(self.name));
            }
            let mut warn = |code: &str, fault: &str| {
                self.warn(code, head.spot, format!("The field {} {fault}.", quote(head.name)));
            };
            if !names.insert(head.name) {
                warn("duplicate-name", "is there a second time");
            } else if !camels.insert(camel(head.name)) {
                warn("json-name", "has in JSON the name of another field");
            }
            if !(1..=NUMBER_MAX).contains(&number) || (19_000..20_000).contains(&number) {
                warn("number", &format!("cannot have the number {number}"));
            }
            self.taken(&reserved, head.spot, head.name, number);
        }
        let used: HashSet<usize> = message.fields.iter().filter_map(|field| field.oneof).collect();
        for (place, oneof) in message.oneofs.iter().enumerate() {
            if !used.contains(&place) {
                self.warn("empty", oneof.head.spot, format!("The oneof {} has no field.", quote(oneof.head.name)));
            }
        }
        Ok(())
    }

    fn enumeration(&mut self, def: &EnumDef<'_>, found: &Enum<'_>) {
        let may_alias = found.options.iter().any(|option| option.name.iter().any(|step| step.text == "allow_alias"));
        let mut numbers = HashSet::default();
        let mut names = HashSet::default();
        let reserved = Taken::of(&found.reserved);
        match found.values.first() {
            None => self.warn("empty", found.head.spot, format!("The enum {} has no value.", quote(self.name))),
            Some(first) if first.number != 0 && needs_zero(self.file.ast.syntax, &def.features) => {
                let message = format!("The first value {} of an open enum must be 0.", quote(first.head.name));
                self.warn("first-value", first.head.spot, message);
            }
            Some(_) => {}
        }
        for value in &found.values {
            let head = &value.head;
            if !numbers.insert(value.number) && !may_alias {
                let message = format!("The number of {} is another value's, without `allow_alias`.", quote(head.name));
                self.warn("duplicate-number", head.spot, message);
            }
            if !names.insert(head.name) {
                self.warn("duplicate-name", head.spot, format!("There is a second value {}.", quote(head.name)));
            }
            if i32::try_from(value.number).is_err() {
                let message = format!("The value {} cannot have the number {}.", quote(head.name), value.number);
                self.warn("number", head.spot, message);
            }
            self.taken(&reserved, head.spot, head.name, value.number);
        }
    }

    fn taken(&mut self, reserved: &Taken<'_>, spot: Spot, name: &str, number: i64) {
        if reserved.names.contains(name) {
            self.warn("reserved", spot, format!("The name {} is reserved.", quote(name)));
        }
        let before = reserved.ranges.partition_point(|(first, _)| *first <= number);
        if before.checked_sub(1).and_then(|place| reserved.ranges.get(place)).is_some_and(|(_, last)| number <= *last) {
            self.warn("reserved", spot, format!("The number {number} of {} is reserved.", quote(name)));
        }
    }
}

/// What is reserved: ranges in order, each reaching as far as any before it.
struct Taken<'r> {
    names: HashSet<&'r str>,
    ranges: Vec<(i64, i64)>,
}

impl<'r> Taken<'r> {
    fn of(reserved: &'r Reserved<'_>) -> Self {
        let mut ranges = reserved.ranges.clone();
        ranges.sort_unstable();
        let mut furthest = i64::MIN;
        for (_, last) in &mut ranges {
            furthest = furthest.max(*last);
            *last = furthest;
        }
        Self { names: reserved.names.iter().map(|name| &**name).collect(), ranges }
    }
}
