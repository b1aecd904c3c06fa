//! What each format says otherwise: severities, and the facets that only it knows.

use std::collections::BTreeMap;

use shared::surface::{ElementId, Format, Surface};

use super::flat::shown;
use super::side::SetId;
use super::walk::{Spots, Walk, Way};
use crate::finding::Severity;
use crate::rules::{self, Rule};

/// How bad a rule is in a format.
pub(super) fn severity(format: Format, rule: &'static Rule) -> Severity {
    if format == Format::GraphQl {
        let is = |others: &[&Rule]| others.iter().any(|other| other.id == rule.id);
        // A query names what it asks for: what is gone makes it invalid, whichever way it goes.
        let breaking =
            [&rules::REQUEST_PARAMETER_REMOVED, &rules::RESPONSE_ENUM_VALUE_REMOVED, &rules::RESPONSE_VARIANT_REMOVED];
        // A query that is checked against the old schema may name the new thing itself, and a client may list what there is (graphql-js: dangerous changes).
        let dangerous =
            [&rules::REQUEST_PARAMETER_ADDED, &rules::REQUEST_ENUM_VALUE_ADDED, &rules::RESPONSE_VARIANT_ADDED];
        if is(&breaking) {
            return Severity::Breaking;
        }
        if is(&dangerous) {
            return Severity::Dangerous;
        }
    }
    rule.severity
}

/// The facets of an element.
pub(super) fn of(surface: &Surface, element: ElementId) -> BTreeMap<&str, &str> {
    // No element has those of the document itself.
    let facets = if element == ElementId::NONE { &[] } else { surface.facets_of(element) };
    facets.iter().map(|facet| (&*facet.key, facet.value.text())).collect()
}

/// Keys of which the values differ.
pub(super) fn changed<'k>(old: &BTreeMap<&'k str, &str>, new: &BTreeMap<&'k str, &str>) -> Vec<&'k str> {
    let mut keys: Vec<&str> = old.keys().chain(new.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| old.get(key) != new.get(key));
    keys
}

/// The rule for a facet that differs, where it is no more than a detail.
pub(super) fn detail(key: &str) -> &'static Rule {
    if key == "graphql.directives" { &rules::DIRECTIVES_APPLIED_CHANGED } else { &rules::DETAIL_CHANGED }
}

/// The rule for a facet that differs, from what it was to what it is: of how long something is there, and how stable.
pub(super) fn rule(key: &str, was: Option<&str>, is: Option<&str>) -> &'static Rule {
    match key {
        "openapi.stability" if stability(is) < stability(was) => &rules::STABILITY_DECREASED,
        "openapi.sunset" if is.map_or(was.is_some(), |is| !is_date(is) || was.is_some_and(|was| is < was)) => {
            &rules::SUNSET_CHANGED
        }
        "openapi.allow-reserved" if is.is_none() => &rules::REQUEST_PARAMETER_ENCODING_CHANGED,
        key => detail(key),
    }
}

/// How much a level promises. What has none is stable, and a word that nobody knows promises nothing.
fn stability(level: Option<&str>) -> u8 {
    match level.map(|level| level.trim_matches('"')) {
        Some("draft") => 1,
        Some("alpha") => 2,
        Some("beta") => 3,
        Some("stable") | None => 4,
        Some(_) => 0,
    }
}

/// Whether a text begins as a date does, so that earlier ones are less.
fn is_date(json: &str) -> bool {
    let date = json.trim_matches('"').bytes().take(10);
    let fits = date
        .zip(*b"0000-00-00")
        .filter(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form });
    fits.count() == 10
}

/// Compares the facets of a part of a pair, which is deprecated after or not.
pub(super) fn facets(walk: &mut Walk<'_>, id: u32, step: &str, elements: (ElementId, ElementId), is_deprecated: bool) {
    let (before, after) = (walk.before.surface, walk.after.surface);
    let (old, new) = (of(before, elements.0), of(after, elements.1));
    for key in changed(&old, &new) {
        let text = format!("`{}` is {}.", shown(key), told(old.get(key), new.get(key)));
        // What is no longer deprecated has no end.
        let is_ended = is_deprecated || key != "openapi.sunset";
        let rule = if is_ended { rule(key, old.get(key).copied(), new.get(key).copied()) } else { detail(key) };
        walk.note(id, rule, step, key, &text, Spots::of(elements.0, elements.1));
    }
}

pub(super) fn told(old: Option<&&str>, new: Option<&&str>) -> String {
    let cut = |text: &&str| shown(text);
    match (old, new) {
        (Some(old), Some(new)) => format!("`{}`, it was `{}`", cut(new), cut(old)),
        (None, Some(new)) => format!("`{}`", cut(new)),
        (Some(old), None) => format!("no more `{}`", cut(old)),
        (None, None) => "the same".to_owned(),
    }
}

/// Compares the facets of the types of a pair.
pub(super) fn types(walk: &mut Walk<'_>, id: u32, before: SetId, after: SetId, way: Way) {
    let (old, new) = (walk.before.facets(before), walk.after.facets(after));
    for key in changed(&old, &new) {
        let text = format!("`{}` is {}.", shown(key), told(old.get(key), new.get(key)));
        let (rule, key) = match key {
            "graphql.locations" | "graphql.repeatable" => {
                super::graphql::directive(walk, id, key, old.get(key), new.get(key));
                continue;
            }
            "openapi.xml" | "openapi.format" | "openapi.content-encoding" | "openapi.content-media-type" => {
                (way.pick(&rules::REQUEST_FORMAT_CHANGED, &rules::RESPONSE_FORMAT_CHANGED), key)
            }
            _ => (detail(key), key),
        };
        walk.note(id, rule, "", key, &text, Spots::default());
    }
}
