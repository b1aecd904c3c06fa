//! Services and their methods.

use std::collections::BTreeSet;

use shared::surface::{Content, HttpBinding, Operation, OperationKind};

use super::files::plain;
use super::kinds::last;
use super::side::Side;
use super::{Change, Table};
use crate::compare::Level;
use crate::rules;

/// The message of a method, by its full name.
fn message(side: &Side<'_>, content: Option<&Content>) -> String {
    let Some(ty) = content.map(|content| side.surface.get(content.ty)) else { return String::new() };
    match ty.name.text() {
        "" => plain(&side.facet(ty.element, "surface.unresolved")),
        name => name.to_owned(),
    }
}

/// Whether two names may be of one message: one that was not found has the name that was looked up.
fn is_same(old: &str, new: &str) -> bool {
    let is_full = |name: &str| name.contains('.');
    old == new || (last(old) == last(new) && !(is_full(old) && is_full(new)))
}

fn streams(operation: &Operation) -> (bool, bool) {
    match operation.kind {
        OperationKind::Rpc { client_streams, server_streams, .. } => (client_streams, server_streams),
        _ => (false, false),
    }
}

fn service_of(operation: &Operation) -> &str {
    operation.id.rsplit_once('/').map_or("", |(service, _)| service)
}

fn only(id: &str) -> BTreeSet<String> {
    BTreeSet::from([id.to_owned()])
}

impl Table<'_, '_, '_> {
    pub(super) fn services(&mut self) {
        let names: Vec<String> = self.before.services.keys().cloned().collect();
        for name in &names {
            self.service(name);
        }
        let added: Vec<String> =
            self.after.services.keys().filter(|name| !self.before.services.contains_key(*name)).cloned().collect();
        for name in added {
            let at = self.after.services.get(&name).map(|service| service.element);
            let summary = format!("There is the new service {name}.");
            let change = Change::new(&rules::PROTOBUF_SERVICE_ADDED, "", name.as_str(), summary).at(None, at);
            let operations = self.after.methods_of(&name);
            self.add(change.reaching(operations));
        }
        let old: Vec<&Operation> = self.before.operations.values().copied().collect();
        for operation in old {
            self.method(operation);
        }
        let new: Vec<&Operation> = self.after.operations.values().copied().collect();
        for operation in new {
            let is_new = !self.before.operations.contains_key(&*operation.id);
            if is_new && self.before.services.contains_key(service_of(operation)) {
                let summary = format!("There is the new method {}.", operation.id);
                let change = Change::new(&rules::PROTOBUF_RPC_ADDED, "", &*operation.id, summary);
                self.add(change.at(None, Some(operation.element)).reaching(only(&operation.id)));
            }
        }
    }

    /// `SERVICE_NO_DELETE`, `PACKAGE_SERVICE_NO_DELETE`. At the levels of the wire buf does not ask for services and methods; here it is the same at all
    /// levels, because whoever calls a method that is gone is answered `UNIMPLEMENTED`.
    fn service(&mut self, name: &str) {
        let Some(old) = self.before.services.get(name) else { return };
        let at = Some(old.element);
        let operations = self.before.methods_of(name);
        let Some(new) = self.after.services.get(name) else {
            let is_told =
                self.before.source(old.element).is_some_and(|(path, source)| self.is_told(path, &source.package, name));
            if !is_told {
                let summary = format!("The service {name} is gone.");
                let change = Change::new(&rules::PROTOBUF_SERVICE_REMOVED, "", name, summary).from(Level::Wire);
                self.add(change.at(at, None).reaching(operations));
            }
            return;
        };
        let (was, is) = (old.deprecated, new.deprecated);
        let has_other_options = old.options != new.options;
        let to = Some(new.element);
        if let Some((from, path)) = self.path_changed(old.element, new.element) {
            let summary = format!("The service {name} moved from the file {from} to {path}.");
            let change = Change::new(&rules::PROTOBUF_SERVICE_MOVED, "", name, summary).from(Level::File);
            self.add(change.at(at, to).reaching(operations.clone()));
        }
        if was != is {
            let summary = format!("The service {name} is {}.", if is { "deprecated" } else { "no longer deprecated" });
            let change = Change::new(&rules::PROTOBUF_DEPRECATION_CHANGED, "", name, summary);
            self.add(change.at(at, to).reaching(operations.clone()));
        }
        if has_other_options {
            let summary = format!("The service {name} has other options.");
            let change = Change::new(&rules::PROTOBUF_OPTIONS_CHANGED, "", name, summary);
            self.add(change.at(at, to).reaching(operations));
        }
    }

    fn method(&mut self, old: &Operation) {
        let id: &str = &old.id;
        let Some(new) = self.after.operations.get(id).copied() else {
            // `RPC_NO_DELETE`
            if let Some(service) = self.after.services.get(service_of(old)) {
                let summary = format!("The method {id} is gone.");
                let change = Change::new(&rules::PROTOBUF_RPC_REMOVED, "", id, summary).from(Level::Wire);
                let change = change.at(Some(old.element), Some(service.element));
                self.add(change.reaching(only(id)));
            }
            return;
        };
        let mut changes = Vec::new();
        // `RPC_SAME_REQUEST_TYPE`
        let request =
            |side: &Side<'_>, of: &Operation| message(side, of.inputs.first().and_then(|input| input.contents.first()));
        let (was, is) = (request(&self.before, old), request(&self.after, new));
        if !is_same(&was, &is) {
            let summary = format!("The method {id} takes {is} where it took {was}.");
            changes.push(Change::new(&rules::PROTOBUF_RPC_REQUEST_CHANGED, "", id, summary).from(Level::Wire));
        }
        // `RPC_SAME_RESPONSE_TYPE`
        let response = |side: &Side<'_>, of: &Operation| {
            message(side, of.outcomes.first().and_then(|outcome| outcome.contents.first()))
        };
        let (was, is) = (response(&self.before, old), response(&self.after, new));
        if !is_same(&was, &is) {
            let summary = format!("The method {id} answers {is} where it answered {was}.");
            changes.push(Change::new(&rules::PROTOBUF_RPC_RESPONSE_CHANGED, "", id, summary).from(Level::Wire));
        }
        // `RPC_SAME_CLIENT_STREAMING`, `RPC_SAME_SERVER_STREAMING`
        if streams(old) != streams(new) {
            let summary = format!("The method {id} streams its requests or answers otherwise.");
            changes.push(Change::new(&rules::PROTOBUF_RPC_STREAMING_CHANGED, "", id, summary).from(Level::Wire));
        }
        // `RPC_SAME_IDEMPOTENCY_LEVEL`
        let level = |side: &Side<'_>, of: &Operation| plain(&side.option(of.element, "idempotency_level"));
        let (was, is) = (level(&self.before, old), level(&self.after, new));
        if was != is {
            let summary = format!("The idempotency level of the method {id} changed from {was:?} to {is:?}.");
            changes.push(Change::new(&rules::PROTOBUF_RPC_IDEMPOTENCY_CHANGED, "", id, summary).from(Level::Wire));
        }
        let lacks = |others: &[HttpBinding], binding: &&HttpBinding| !others.contains(binding);
        let gone: Vec<&HttpBinding> = old.http.iter().filter(|binding| lacks(&new.http, binding)).collect();
        let come: Vec<&HttpBinding> = new.http.iter().filter(|binding| lacks(&old.http, binding)).collect();
        // No rule of buf's, to which these are options like any other.
        for (rule, bindings, word) in [
            (&rules::PROTOBUF_RPC_HTTP_REMOVED, gone, "no longer"),
            (&rules::PROTOBUF_RPC_HTTP_ADDED, come, "now also"),
        ] {
            if !bindings.is_empty() {
                let paths: Vec<String> = bindings.iter().map(|to| format!("{} {}", to.method, to.path)).collect();
                let summary = format!("The method {id} is {word} called as {}.", paths.join(", "));
                changes.push(Change::new(rule, "", id, summary));
            }
        }
        for change in changes {
            self.add(change.at(Some(old.element), Some(new.element)).reaching(only(id)));
        }
        let what = format!("The method {id}");
        // The service's deprecation is in that of its methods.
        self.details(id, &what, id, (old.element, old.deprecated), (new.element, new.deprecated));
    }
}
