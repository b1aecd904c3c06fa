//! One of the two surfaces, with what is looked up in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use shared::surface::{ElementId, Name, Operation, OperationKind, Shape, Surface, Type, TypeId};

/// A root.
pub(super) struct Source {
    pub(super) element: ElementId,
    pub(super) package: String,
    pub(super) syntax: String,
    pub(super) options: Map<String, Value>,
}

/// A service.
pub(super) struct Service {
    pub(super) element: ElementId,
    pub(super) deprecated: bool,
    pub(super) options: Value,
}

pub(super) struct Side<'s> {
    pub(super) surface: &'s Surface,
    pub(super) types: BTreeMap<&'s str, TypeId>,
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) services: BTreeMap<String, Service>,
    pub(super) operations: BTreeMap<&'s str, &'s Operation>,
    /// The types that name a type, by its number.
    users: Vec<Vec<u32>>,
    /// The operations that name a type, by its number.
    callers: Vec<Vec<&'s str>>,
}

/// The types that a type names.
fn named(ty: &Type) -> Vec<TypeId> {
    match &ty.shape {
        Shape::Record(record) => record.fields.iter().map(|field| field.ty).collect(),
        Shape::List(list) => list.items.into_iter().collect(),
        Shape::Map(map) => vec![map.key, map.value],
        _ => Vec::new(),
    }
}

impl<'s> Side<'s> {
    pub(super) fn of(surface: &'s Surface) -> Self {
        let mut types = BTreeMap::new();
        let mut users = vec![Vec::new(); surface.types.len()];
        let mut callers = vec![Vec::new(); surface.types.len()];
        for (number, ty) in (0..).zip(&surface.types) {
            if let Name::Nominal(name) = &ty.name {
                types.entry(&**name).or_insert(TypeId(number));
            }
            for used in named(ty) {
                if let Some(users) = users.get_mut(used.0 as usize) {
                    users.push(number);
                }
            }
        }
        let mut operations = BTreeMap::new();
        for operation in &surface.operations {
            operations.entry(&*operation.id).or_insert(operation);
            let inputs = operation.inputs.iter().flat_map(|input| &input.contents);
            let contents = inputs.chain(operation.outcomes.iter().flat_map(|outcome| &outcome.contents));
            for content in contents {
                if let Some(callers) = callers.get_mut(content.ty.0 as usize) {
                    callers.push(&*operation.id);
                }
            }
        }
        let (sources, services) = (BTreeMap::new(), BTreeMap::new());
        let mut side = Self { surface, types, sources, services, operations, users, callers };
        side.documents();
        side
    }

    /// What stands in the facets of the document, of files and of services.
    fn documents(&mut self) {
        let document = |key| self.surface.facet(ElementId::NONE, key).map_or(Value::Null, shared::surface::Json::value);
        let (said, services) = (document("protobuf.files"), document("protobuf.services"));
        let object = |value: &Value, key: &str| value.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        for (element, facets) in &self.surface.facets {
            for facet in facets {
                if &*facet.key == "protobuf.source" {
                    let value = facet.value.value();
                    let key = value.get("file").and_then(Value::as_str).unwrap_or_default();
                    let said = said.get(key).unwrap_or(&Value::Null);
                    let text =
                        |from: &Value, key: &str| from.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                    let source = Source {
                        element: *element,
                        package: text(&value, "package"),
                        syntax: text(said, "syntax"),
                        options: object(said, "options"),
                    };
                    self.sources.insert(self.file(*element).unwrap_or_default().to_owned(), source);
                } else if &*facet.key == "protobuf.service"
                    && let Some(name) = facet.value.as_text()
                {
                    let told = services.get(&name).unwrap_or(&Value::Null);
                    let service = Service {
                        element: *element,
                        deprecated: told.get("deprecated").is_some(),
                        options: told.get("options").cloned().unwrap_or_default(),
                    };
                    self.services.entry(name).or_insert(service);
                }
            }
        }
    }

    /// The path of the file that an element stands in; nothing where it stands in none.
    pub(super) fn file(&self, element: ElementId) -> Option<&'s str> {
        let position = self.surface.position(element).filter(|position| position.line > 0)?;
        self.surface.files.get(position.file as usize).map(|file| &*file.0)
    }

    /// The root that an element stands in. What stands elsewhere is here only because roots use it.
    pub(super) fn source(&self, element: ElementId) -> Option<(&'s str, &Source)> {
        let path = self.file(element)?;
        self.sources.get(path).map(|source| (path, source))
    }

    pub(super) fn facet(&self, element: ElementId, key: &str) -> Value {
        self.surface.facet(element, key).map_or(Value::Null, shared::surface::Json::value)
    }

    pub(super) fn number(&self, element: ElementId) -> i64 {
        self.surface.facet(element, "protobuf.number").and_then(|number| number.text().parse().ok()).unwrap_or_default()
    }

    /// An option of an element.
    pub(super) fn option(&self, element: ElementId, name: &str) -> Value {
        self.facet(element, "protobuf.options").get(name).cloned().unwrap_or_default()
    }

    pub(super) fn ty(&self, name: &str) -> Option<&'s Type> {
        self.types.get(name).map(|id| self.surface.get(*id))
    }

    /// The operations that reach a type.
    pub(super) fn reaching(&self, name: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut walk: Vec<u32> = self.types.get(name).map(|id| id.0).into_iter().collect();
        let mut operations = BTreeSet::new();
        while let Some(number) = walk.pop() {
            if !seen.insert(number) {
                continue;
            }
            let callers = self.callers.get(number as usize).into_iter().flatten();
            operations.extend(callers.map(|id| (*id).to_owned()));
            walk.extend(self.users.get(number as usize).into_iter().flatten());
        }
        operations
    }

    /// The operations of a service.
    pub(super) fn methods_of(&self, service: &str) -> BTreeSet<String> {
        let of = |operation: &&&Operation| matches!(&operation.kind, OperationKind::Rpc { service: of, .. } if **of == *service);
        self.operations.values().filter(of).map(|operation| operation.id.to_string()).collect()
    }

    /// Whether the message or enumeration that a name stands in is there as well: `a.B` of `a.B.C`.
    pub(super) fn outer<'n>(&self, name: &'n str) -> Option<&'n str> {
        let (outer, _) = name.rsplit_once('.')?;
        self.types.contains_key(outer).then_some(outer)
    }
}
