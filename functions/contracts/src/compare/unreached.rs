//! Types that no operation reaches, where callers see no names: compared by the names that the documents give them.

use std::collections::{BTreeMap, BTreeSet};

use shared::surface::{Name, Surface, Text, TypeId};

use super::flat::shown;
use super::found::Found;
use super::walk::{From, Spots, Walk, Way};
use crate::finding::Severity;
use crate::rules;

/// The types that operations reach.
fn reached(surface: &Surface) -> Vec<bool> {
    let mut reached = vec![false; surface.types.len()];
    let mut todo: Vec<TypeId> = Vec::new();
    for operation in &surface.operations {
        operation.reach(&mut |id| todo.push(id));
    }
    while let Some(id) = todo.pop() {
        if let Some(place) = reached.get_mut(id.0 as usize)
            && !std::mem::replace(place, true)
        {
            surface.get(id).reach(&mut |id| todo.push(id));
        }
    }
    reached
}

fn named(surface: &Surface) -> BTreeMap<&Text, TypeId> {
    let types = surface.types.iter().zip(0_u32..);
    types
        .filter_map(|(ty, id)| match &ty.name {
            Name::Alias(name) | Name::Nominal(name) => Some((name, TypeId(id))),
            Name::Anonymous => None,
        })
        .collect()
}

/// Compares them both ways.
pub(super) fn types(walk: &mut Walk<'_>) {
    let (before, after) = (walk.before.surface, walk.after.surface);
    let (old_reached, new_reached) = (reached(before), reached(after));
    let (old, new) = (named(before), named(after));
    let is = |table: &[bool], id: TypeId| table.get(id.0 as usize).copied().unwrap_or_default();
    let cap = if before.operations.is_empty() { Severity::Breaking } else { Severity::Compatible };
    for (name, id) in old.iter().filter(|(_, id)| !is(&old_reached, **id)) {
        let element = before.get(*id).element;
        match new.get(*name) {
            Some(other) if !is(&new_reached, *other) => {
                let sets = (walk.before.of(*id), walk.after.of(*other));
                for way in [Way::Request, Way::Response] {
                    walk.compare(sets, way, From::Nobody, (name, ""), Spots::of(element, after.get(*other).element));
                }
            }
            Some(_) => {}
            None => walk.findings.add(Found {
                rule: &rules::TYPE_REMOVED,
                severity: rules::TYPE_REMOVED.severity.min(cap),
                summary: format!("`{}` is gone.", shown(name)),
                subject: name.to_string(),
                operations: BTreeSet::new(),
                before: Some(element),
                after: None,
            }),
        }
    }
    for (name, id) in new.iter().filter(|(name, id)| !is(&new_reached, **id) && !old.contains_key(**name)) {
        walk.findings.add(Found {
            rule: &rules::TYPE_ADDED,
            severity: Severity::Compatible,
            summary: format!("`{}` is new.", shown(name)),
            subject: name.to_string(),
            operations: BTreeSet::new(),
            before: None,
            after: Some(after.get(*id).element),
        });
    }
}
