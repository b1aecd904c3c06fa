//! What GraphQL alone has: types that callers name, interfaces, arguments of fields, directives.

use std::collections::{BTreeMap, BTreeSet};

use shared::surface::{ElementId, Format, Input, Name, Shape, Surface, Text, TypeId};

use super::flat::{Field, Record, shown};
use super::found::Found;
use super::side::is_required;
use super::tables::severity;
use super::walk::{From, Spots, Walk, Way};
use crate::rules::{self, Rule};

/// The types that callers can name.
fn named(surface: &Surface) -> BTreeMap<&Text, TypeId> {
    let types = surface.types.iter().zip(0_u32..);
    types
        .filter_map(|(ty, id)| if let Name::Nominal(name) = &ty.name { Some((name, TypeId(id))) } else { None })
        .collect()
}

/// The names of the root types, whose fields are operations.
fn roots(surface: &Surface) -> BTreeSet<String> {
    let roots = surface.facet(ElementId::NONE, "graphql.roots").map(shared::surface::Json::value);
    roots
        .iter()
        .filter_map(|roots| roots.as_object())
        .flat_map(|roots| roots.values().filter_map(|name| name.as_str().map(str::to_owned)))
        .collect()
}

/// Compares the types by their names, those that no operation reaches among them.
pub(super) fn types(walk: &mut Walk<'_>) {
    let (before, after) = (walk.before.surface, walk.after.surface);
    let (old, new) = (named(before), named(after));
    let skipped = &roots(before) & &roots(after);
    let note = |walk: &mut Walk<'_>, rule: &'static Rule, name: &str, text: &str, spots: Spots| {
        walk.findings.add(Found {
            rule,
            severity: severity(Format::GraphQl, rule),
            summary: format!("`{}` {text}", shown(name)),
            subject: name.to_owned(),
            operations: BTreeSet::new(),
            before: spots.before,
            after: spots.after,
        });
    };
    let is_built_in = |ty: &shared::surface::Type| ty.element == ElementId::NONE;
    for (name, id) in &old {
        let ty = before.get(*id);
        if let Some(other) = new.get(*name) {
            if !skipped.contains(&***name) {
                let sets = (walk.before.of(*id), walk.after.of(*other));
                for way in ways(ty) {
                    walk.compare(
                        sets,
                        *way,
                        From::Nobody,
                        (name, ""),
                        Spots::of(ty.element, after.get(*other).element),
                    );
                }
            }
        } else if !is_built_in(ty) {
            let rule = if name.starts_with('@') { &rules::DIRECTIVE_REMOVED } else { &rules::TYPE_REMOVED };
            note(walk, rule, name, "is gone.", Spots::before(ty.element));
        }
    }
    for (name, id) in new.iter().filter(|(name, _)| !old.contains_key(**name)) {
        let ty = after.get(*id);
        if !is_built_in(ty) {
            let rule = if name.starts_with('@') { &rules::DIRECTIVE_ADDED } else { &rules::TYPE_ADDED };
            note(walk, rule, name, "is new.", Spots::after(ty.element));
        }
    }
}

/// Which ways values of a type can go.
fn ways(ty: &shared::surface::Type) -> &'static [Way] {
    match &ty.shape {
        Shape::Record(record) if record.additional.is_some() => &[Way::Request],
        Shape::Record(_) | Shape::Union(_) => &[Way::Response],
        _ => &[Way::Request, Way::Response],
    }
}

/// Compares the interfaces that two types implement.
pub(super) fn interfaces(walk: &mut Walk<'_>, id: u32, was: &Record, is: &Record) {
    let names = |surface: &Surface, record: &Record| -> BTreeSet<String> {
        record.interfaces.iter().map(|id| surface.get(*id).name.text().to_owned()).collect()
    };
    let (old, new) = (names(walk.before.surface, was), names(walk.after.surface, is));
    for name in old.difference(&new) {
        let text = format!("it no longer implements `{}`.", shown(name));
        walk.note(id, &rules::INTERFACE_REMOVED, "", name, &text, Spots::default());
    }
    for name in new.difference(&old) {
        let text = format!("it implements `{}`.", shown(name));
        walk.note(id, &rules::INTERFACE_ADDED, "", name, &text, Spots::default());
    }
    if was.is_interface != is.is_interface {
        let text = if is.is_interface { "it is an interface now." } else { "it is no interface any more." };
        walk.note(id, &rules::RESPONSE_TYPE_CHANGED, "", "interface", text, Spots::default());
    }
}

/// Compares the arguments of a field.
pub(super) fn arguments(walk: &mut Walk<'_>, id: u32, way: Way, step: &str, old: &Field, new: &Field) {
    if old.arguments.is_empty() && new.arguments.is_empty() {
        return;
    }
    let way = way.back();
    for was in &old.arguments {
        let step = format!("{step}({}:)", was.name);
        match new.arguments.iter().find(|is| is.name == was.name) {
            Some(is) => {
                for (rule, detail, text) in input_changes(walk, was, is) {
                    walk.note(id, rule, &step, &detail, &text, Spots::of(was.element, is.element));
                }
                super::tables::facets(walk, id, &step, (was.element, is.element), is.deprecated);
                if let (Some(one), Some(other)) = (was.contents.first(), is.contents.first()) {
                    let sets = (walk.before.of(one.ty), walk.after.of(other.ty));
                    walk.inside(id, sets, way, &step, Spots::of(was.element, is.element));
                }
            }
            None => {
                walk.note(id, &rules::REQUEST_PARAMETER_REMOVED, &step, "", "it is gone.", Spots::before(was.element));
            }
        }
    }
    for is in new.arguments.iter().filter(|is| !old.arguments.iter().any(|was| was.name == is.name)) {
        let (rule, text) = if is_required(is.presence) {
            (&rules::REQUEST_PARAMETER_REQUIRED_ADDED, "it is new, and must be given.")
        } else {
            (&rules::REQUEST_PARAMETER_ADDED, "it is new, and may be left out.")
        };
        walk.note(id, rule, &format!("{step}({}:)", is.name), "", text, Spots::after(is.element));
    }
}

/// What has changed of an input beside its type: the rule, what tells it from others, and a sentence.
pub(super) fn input_changes(walk: &mut Walk<'_>, was: &Input, is: &Input) -> Vec<(&'static Rule, String, String)> {
    let mut found: Vec<(&'static Rule, String, String)> = Vec::new();
    let is_body = was.name.is_empty();
    // In GraphQL a type that may not be null says it already.
    let said =
        walk.format == Format::GraphQl && is_nullable(walk.before.surface, was) != is_nullable(walk.after.surface, is);
    match (is_required(was.presence), is_required(is.presence)) {
        (false, true) if !said => {
            let rule =
                if is_body { &rules::REQUEST_BODY_BECAME_REQUIRED } else { &rules::REQUEST_PARAMETER_BECAME_REQUIRED };
            found.push((rule, String::new(), "it must be sent, and could be left out.".to_owned()));
        }
        (true, false) if !said => {
            let rule =
                if is_body { &rules::REQUEST_BODY_BECAME_OPTIONAL } else { &rules::REQUEST_PARAMETER_BECAME_OPTIONAL };
            found.push((rule, String::new(), "it may be left out.".to_owned()));
        }
        _ => {}
    }
    if was.deprecated != is.deprecated {
        let text = if is.deprecated { "it is deprecated." } else { "it is no longer deprecated." };
        found.push((&rules::REQUEST_DEPRECATED, is.deprecated.to_string(), text.to_owned()));
    }
    if !is_required(is.presence) {
        let mut default = |input: &Input, is_after: bool| {
            let own = input.default.as_ref().map(|json| json.text().to_owned());
            let ty = input.contents.first().map(|content| content.ty);
            own.or_else(|| {
                let side = if is_after { &mut walk.after } else { &mut walk.before };
                let set = side.of(ty?);
                side.default(set).map(str::to_owned)
            })
        };
        let (old, new) = (default(was, false), default(is, true));
        if old != new {
            let cut = |json: &Option<String>| json.as_ref().map(|json| shown(json));
            let text = format!("what is taken where it is left out: {}.", super::flat::change(cut(&old), cut(&new)));
            found.push((
                &rules::REQUEST_DEFAULT_CHANGED,
                format!("{} {}", old.unwrap_or_default(), new.unwrap_or_default()),
                text,
            ));
        }
    }
    found
}

fn is_nullable(surface: &Surface, input: &Input) -> bool {
    input.contents.first().is_some_and(|content| matches!(surface.get(content.ty).shape, Shape::Nullable(_)))
}

/// Compares where a directive may stand, and whether it may stand there several times.
pub(super) fn directive(walk: &mut Walk<'_>, id: u32, key: &str, old: Option<&&str>, new: Option<&&str>) {
    if key == "graphql.repeatable" {
        let (rule, text) = if new.is_some() {
            (&rules::DIRECTIVE_REPEATABLE_ADDED, "it may stand several times in a place.")
        } else {
            (&rules::DIRECTIVE_REPEATABLE_REMOVED, "it may stand only once in a place.")
        };
        return walk.note(id, rule, "", "", text, Spots::default());
    }
    let places = |json: Option<&&str>| -> BTreeSet<String> {
        json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    };
    let (old, new) = (places(old), places(new));
    for place in old.difference(&new) {
        let text = format!("it may not stand at {} any more.", shown(place));
        walk.note(id, &rules::DIRECTIVE_LOCATION_REMOVED, "", place, &text, Spots::default());
    }
    for place in new.difference(&old) {
        let text = format!("it may stand at {}.", shown(place));
        walk.note(id, &rules::DIRECTIVE_LOCATION_ADDED, "", place, &text, Spots::default());
    }
}
