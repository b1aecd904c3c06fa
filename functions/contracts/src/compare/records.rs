//! Records compared, field by field.

use shared::surface::{Direction, Format, Text};

use super::flat::{Field, Kind, Record, Shift, shown};
use super::pair::limit;
use super::side::{Side, is_required};
use super::walk::{Spots, Walk, Way};
use crate::rules;

/// Whether a field is sent this way at all.
fn is_sent(field: &Field, way: Way) -> bool {
    field.direction != way.pick(Direction::ReadOnly, Direction::WriteOnly)
}

/// Compares two records.
pub(super) fn compare(walk: &mut Walk<'_>, id: u32, way: Way, was: &Record, is: &Record) {
    for (name, old) in was.fields.iter().filter(|(_, old)| is_sent(old, way)) {
        match is.fields.get(name) {
            Some(new) if is_sent(new, way) => both(walk, id, way, name, old, new),
            Some(new) => hidden(walk, id, way, name, old, new),
            None => gone(walk, id, way, name, old, is),
        }
    }
    for (name, new) in is.fields.iter().filter(|(_, new)| is_sent(new, way)) {
        match was.fields.get(name) {
            Some(old) if is_sent(old, way) => {}
            Some(old) => added(walk, id, way, name, new, was, Spots::of(old.element, new.element)),
            None => added(walk, id, way, name, new, was, Spots::after(new.element)),
        }
    }
    others(walk, id, way, was, is);
    patterns(walk, id, way, was, is);
    super::pair::field_limits(walk, id, way, was, is);
    conditions(walk, id, way, was, is);
    super::graphql::interfaces(walk, id, was, is);
}

fn both(walk: &mut Walk<'_>, id: u32, way: Way, name: &Text, old: &Field, new: &Field) {
    let (spots, step) = (Spots::of(old.element, new.element), format!(".{name}"));
    // In GraphQL a type that may not be null says it already.
    let said = walk.format == Format::GraphQl && walk.before.is_nullable(old.set) != walk.after.is_nullable(new.set);
    match (is_required(old.presence), is_required(new.presence)) {
        _ if said => {}
        (false, true) => {
            let rule = way.pick(&rules::REQUEST_FIELD_BECAME_REQUIRED, &rules::RESPONSE_FIELD_BECAME_REQUIRED);
            walk.note(id, rule, &step, "", "it must be there, and could be left out.", spots);
        }
        (true, false) => {
            let rule = way.pick(&rules::REQUEST_FIELD_BECAME_OPTIONAL, &rules::RESPONSE_FIELD_BECAME_OPTIONAL);
            walk.note(id, rule, &step, "", "it may be missing, and was always there.", spots);
        }
        _ => {}
    }
    if old.deprecated != new.deprecated {
        let text = if new.deprecated { "it is deprecated." } else { "it is no longer deprecated." };
        let rule = way.pick(&rules::REQUEST_DEPRECATED, &rules::RESPONSE_DEPRECATED);
        walk.note(id, rule, &step, if new.deprecated { "deprecated" } else { "restored" }, text, spots);
    }
    if !is_required(new.presence) {
        let default = |own: &Option<Text>, of: Option<&str>| own.as_deref().or(of).map(ToOwned::to_owned);
        let was = default(&old.default, walk.before.default(old.set));
        let is = default(&new.default, walk.after.default(new.set));
        if was != is {
            let shown = |json: Option<String>| json.map(|json| shown(&json));
            let text = format!(
                "what it means where it is missing: {}.",
                super::flat::change(shown(was.clone()), shown(is.clone()))
            );
            let rule = way.pick(&rules::REQUEST_DEFAULT_CHANGED, &rules::RESPONSE_DEFAULT_CHANGED);
            let detail = format!("{} {}", was.unwrap_or_default(), is.unwrap_or_default());
            walk.note(id, rule, &step, &detail, &text, spots);
        }
    }
    super::tables::facets(walk, id, &step, (old.element, new.element), new.deprecated);
    super::graphql::arguments(walk, id, way, &step, old, new);
    walk.inside(id, (old.set, new.set), way, &step, spots);
}

/// A field that goes only the other way now.
fn hidden(walk: &mut Walk<'_>, id: u32, way: Way, name: &Text, old: &Field, new: &Field) {
    let (rule, text) = if way.is_request() {
        (&rules::REQUEST_FIELD_BECAME_READ_ONLY, "it is only answered: what is sent of it is not heard.")
    } else {
        (&rules::RESPONSE_FIELD_BECAME_WRITE_ONLY, "it is only sent: no answer has it any more.")
    };
    walk.note(id, rule, &format!(".{name}"), "", text, Spots::of(old.element, new.element));
}

fn gone(walk: &mut Walk<'_>, id: u32, way: Way, name: &Text, old: &Field, is: &Record) {
    let (spots, step) = (Spots::before(old.element), format!(".{name}"));
    let is_closed = is.additional.is_some_and(|additional| walk.after.is_never(additional)) && is.patterns.is_empty();
    if way.is_request() {
        if !old.is_declared {
            let text = "it need not be there any more.";
            return walk.note(id, &rules::REQUEST_FIELD_BECAME_OPTIONAL, &step, "", text, spots);
        }
        let (rule, text) = if is_closed {
            (&rules::REQUEST_FIELD_FORBIDDEN, "it is gone, and fields that are not listed are refused.")
        } else {
            (&rules::REQUEST_FIELD_REMOVED, "it is gone: what is sent of it is not heard.")
        };
        walk.note(id, rule, &step, "", text, spots);
    } else if old.is_declared {
        walk.note(id, &rules::RESPONSE_FIELD_REMOVED, &step, "", "it is gone.", spots);
        return;
    } else {
        let text = "nothing says any more that it is always there.";
        return walk.note(id, &rules::RESPONSE_FIELD_BECAME_OPTIONAL, &step, "", text, spots);
    }
    // What its values must be as one of the others.
    if let Some(additional) = is.additional
        && !is_closed
    {
        walk.inside(id, (old.set, additional), way, &step, spots);
    }
}

fn added(walk: &mut Walk<'_>, id: u32, way: Way, name: &Text, new: &Field, was: &Record, spots: Spots) {
    let step = format!(".{name}");
    let is_closed =
        was.additional.is_some_and(|additional| walk.before.is_never(additional)) && was.patterns.is_empty();
    let (rule, text) = match (way.is_request(), is_required(new.presence)) {
        (true, true) => (&rules::REQUEST_FIELD_REQUIRED_ADDED, "it is new, and must be there."),
        (true, false) => (&rules::REQUEST_FIELD_ADDED, "it is new, and may be left out."),
        (false, _) if !new.is_declared => (&rules::RESPONSE_FIELD_BECAME_REQUIRED, "it is always there."),
        (false, _) if is_closed && walk.format != Format::GraphQl => {
            (&rules::RESPONSE_FIELDS_OPENED, "it is new, and fields that were not listed were never answered.")
        }
        (false, _) => (&rules::RESPONSE_FIELD_ADDED, "it is new."),
    };
    walk.note(id, rule, &step, "", text, spots);
    let default = new.default.as_deref().or(walk.after.default(new.set)).map(shown);
    if let (Some(default), true, Format::GraphQl) = (default, way.is_request(), walk.format) {
        let text = format!("where it is left out, it is {default}, which nobody said before.");
        walk.note(id, &rules::REQUEST_DEFAULT_CHANGED, &step, &default, &text, spots);
    }
    if let Some(additional) = was.additional
        && !is_closed
        && new.is_declared
    {
        walk.inside(id, (additional, new.set), way, &step, spots);
    }
}

/// Fields that are not listed.
fn others(walk: &mut Walk<'_>, id: u32, way: Way, was: &Record, is: &Record) {
    let never = |side: &mut Side<'_>, set| matches!(side.flat(set).kind, Kind::Never);
    let old_closed = was.additional.is_some_and(|set| never(&mut walk.before, set));
    let new_closed = is.additional.is_some_and(|set| never(&mut walk.after, set));
    match (old_closed, new_closed) {
        (false, true) => {
            let rule = way.pick(&rules::REQUEST_FIELDS_CLOSED, &rules::RESPONSE_FIELDS_CLOSED);
            walk.note(id, rule, "", "", "it may only have the fields that are listed.", Spots::default());
        }
        (true, false) => {
            let rule = way.pick(&rules::REQUEST_FIELDS_OPENED, &rules::RESPONSE_FIELDS_OPENED);
            walk.note(id, rule, "", "", "it may have fields that are not listed.", Spots::default());
        }
        (true, true) => {}
        (false, false) => {
            let sets = (was.additional.unwrap_or(Side::ANY), is.additional.unwrap_or(Side::ANY));
            walk.inside(id, sets, way, ".*", Spots::default());
        }
    }
}

fn patterns(walk: &mut Walk<'_>, id: u32, way: Way, was: &Record, is: &Record) {
    for (pattern, old) in &was.patterns {
        if let Some((_, new)) = is.patterns.iter().find(|(other, _)| other == pattern) {
            walk.inside(id, (*old, *new), way, &format!(".~{pattern}"), Spots::default());
        } else {
            let rule = way.pick(&rules::REQUEST_CONDITION_REMOVED, &rules::RESPONSE_CONDITION_REMOVED);
            let text = format!("fields that match `{}` are no longer spoken of.", shown(pattern));
            walk.note(id, rule, "", pattern, &text, Spots::default());
        }
    }
    for (pattern, _) in
        is.patterns.iter().filter(|(pattern, _)| !was.patterns.iter().any(|(other, _)| other == pattern))
    {
        let rule = way.pick(&rules::REQUEST_CONDITION_ADDED, &rules::RESPONSE_CONDITION_ADDED);
        let text = format!("there is a type for fields that match `{}`.", shown(pattern));
        walk.note(id, rule, "", pattern, &text, Spots::default());
    }
}

/// Fields that depend on others, and fields of which one alone may be there.
fn conditions(walk: &mut Walk<'_>, id: u32, way: Way, was: &Record, is: &Record) {
    let pairs = |record: &Record| -> std::collections::BTreeSet<(Text, Text)> {
        let pairs = record.dependent.iter();
        pairs
            .flat_map(|dependent| dependent.requires.iter().map(|other| (dependent.field.clone(), other.clone())))
            .collect()
    };
    let (old, new) = (pairs(was), pairs(is));
    for (field, other) in new.difference(&old) {
        let name = format!("dependentRequired {field} {other}");
        limit(walk, id, way, &shown(&name), "new", Shift::Tighter);
    }
    for (field, other) in old.difference(&new) {
        let name = format!("dependentRequired {field} {other}");
        limit(walk, id, way, &shown(&name), "gone", Shift::Looser);
    }
    let choices = |record: &Record| -> std::collections::BTreeSet<(Text, Vec<Text>, bool)> {
        record
            .choices
            .iter()
            .map(|choice| {
                let mut fields = choice.fields.clone();
                fields.sort_unstable();
                (choice.name.clone(), fields, choice.required)
            })
            .collect()
    };
    let (old, new) = (choices(was), choices(is));
    match (old.is_empty(), new.is_empty()) {
        (true, false) => limit(walk, id, way, "one of its fields alone", "required", Shift::Tighter),
        (false, true) => limit(walk, id, way, "one of its fields alone", "no longer required", Shift::Looser),
        _ => {}
    }
}
