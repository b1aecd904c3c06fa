//! Whether types are what their interfaces promise.

use super::{Check, is_required};
use crate::readers::graphql::syntax::{Defined, Item, Ref, Wrap};
use crate::readers::graphql::together::{Entry, is_built_in};
use crate::readers::quote;
use foldhash::{HashMap, HashSet};

impl<'a, 'b> Check<'a, 'b, '_> {
    /// Whether a type is what its interfaces promise.
    pub(super) fn interfaces(&mut self, entry: &'b Entry<'a>, path: &str) {
        let together = self.together;
        let own: HashSet<&str> = entry.interfaces.iter().map(|name| name.text).collect();
        let mut once = HashSet::default();
        for name in &entry.interfaces {
            let interface = match together.ty(name.text) {
                Some(interface) if interface.defined == Defined::Interface && name.text != entry.name.text => interface,
                None if !is_built_in(name.text) => {
                    self.unknown(name, path);
                    continue;
                }
                _ => {
                    let message =
                        || format!("{entry} cannot implement {}, which is no other interface.", quote(name.text));
                    self.warn("implements", name.at, path, message);
                    continue;
                }
            };
            if !once.insert(name.text) {
                self.warn("implements", name.at, path, || format!("{entry} implements {interface} twice."));
                continue;
            }
            if !self.spend(interface.items.len() + interface.interfaces.len()) {
                return;
            }
            for above in &interface.interfaces {
                if !own.contains(above.text) {
                    let message = || {
                        format!(
                            "{entry} implements {interface}, so it must say that it implements {}.",
                            quote(above.text)
                        )
                    };
                    self.warn("implements", name.at, path, message);
                }
            }
            for promised in &interface.items {
                if let Some(item) = entry.item(promised.name.text) {
                    self.implements(entry, item, interface, promised);
                } else {
                    let message =
                        || format!("{entry} has no field {}, which {interface} promises.", quote(promised.name.text));
                    self.warn("implements", name.at, path, message);
                }
            }
        }
    }

    /// Whether a field is what the interface's field promises.
    fn implements(&mut self, entry: &Entry<'a>, item: &Item<'a>, interface: &Entry<'a>, promised: &Item<'a>) {
        let (Some(ty), Some(wanted)) = (&item.ty, &promised.ty) else { return };
        if !self.spend(item.arguments.len() + promised.arguments.len()) {
            return;
        }
        let path = entry.path_of(item.name.text);
        if !self.is_part(ty, &ty.wraps, wanted, &wanted.wraps) {
            let message = || format!("{interface} promises the type {} here.", quote(&wanted.to_string()));
            self.warn("implements", ty.name.at, &path, message);
        }
        let arguments: HashMap<&str, &Item<'a>> =
            item.arguments.iter().map(|argument| (argument.name.text, argument)).collect();
        let mut known = HashSet::default();
        for wanted in &promised.arguments {
            known.insert(wanted.name.text);
            let found = arguments.get(wanted.name.text).and_then(|found| found.ty.as_ref());
            let same = match (found, &wanted.ty) {
                (Some(found), Some(wanted)) => found.name.text == wanted.name.text && found.wraps == wanted.wraps,
                _ => false,
            };
            if !same {
                let message = || {
                    format!(
                        "{interface} promises the argument {} with its type, which is not here.",
                        quote(wanted.name.text)
                    )
                };
                self.warn("implements", item.name.at, &path, message);
            }
        }
        for extra in item.arguments.iter().filter(|extra| is_required(extra) && !known.contains(extra.name.text)) {
            let message =
                || format!("The argument {} is required, but {interface} does not have it.", quote(extra.name.text));
            self.warn("implements", extra.name.at, &path, message);
        }
    }

    /// Whether each value of a type is one of the other, too.
    fn is_part(&self, ty: &Ref<'_>, wraps: &[Wrap], wanted: &Ref<'_>, wanted_wraps: &[Wrap]) -> bool {
        match (wraps.split_last(), wanted_wraps.split_last()) {
            (Some((Wrap::NonNull, inner)), Some((Wrap::NonNull, wanted_inner)))
            | (Some((Wrap::List, inner)), Some((Wrap::List, wanted_inner))) => {
                self.is_part(ty, inner, wanted, wanted_inner)
            }
            (Some((Wrap::NonNull, inner)), _) => self.is_part(ty, inner, wanted, wanted_wraps),
            (None, None) if ty.name.text == wanted.name.text => true,
            (None, None) => {
                let is_member = self
                    .together
                    .ty(wanted.name.text)
                    .is_some_and(|union| union.defined == Defined::Union && union.item(ty.name.text).is_some());
                let own = self.together.ty(ty.name.text);
                is_member || own.is_some_and(|own| own.interfaces.iter().any(|name| name.text == wanted.name.text))
            }
            _ => false,
        }
    }
}
