//! Methods become operations.

use std::collections::BTreeMap;

use foldhash::HashSet;
use shared::surface::{
    Content, ElementId, HttpBinding, Input, Json, Operation, OperationKind, Outcome, Place, Presence, Server, ServerId,
    TypeId, Value, Words,
};

use super::ast::{Method, Service};
use super::index::{Symbol, join};
use super::lex::{self, Spot};
use super::options::{Options, word};
use super::types::Author;
use crate::readers::{OPERATIONS_MAX, Refused, quote};

/// The option whose rules say how a method is called over plain HTTP.
const HTTP: &str = "(google.api.http)";
/// The option that says where a service is.
const HOST: &str = "(google.api.default_host)";
/// Rules that one rule may add.
const BINDINGS_MAX: usize = 100;

/// What holds for all methods of a service.
struct Shared<'s> {
    name: &'s str,
    element: ElementId,
    deprecated: bool,
    servers: Vec<ServerId>,
}

impl Author<'_> {
    /// The services of the roots.
    pub(super) fn operations(&mut self) -> Result<(), Refused> {
        let mut services = BTreeMap::new();
        for (place, file) in self.loaded.iter().enumerate().filter(|(_, file)| file.is_root) {
            for service in &file.ast.services {
                let name = join(&file.ast.package, service.head.name);
                let told = self.service(place, &name, service)?;
                if services.insert(name.to_string(), told).is_some() {
                    let message = format!("The service {} is defined a second time.", quote(&name));
                    self.warnings.push("duplicate-name", message, file.shown, service.head.spot.line, &name);
                }
            }
        }
        if !services.is_empty() {
            self.builder.facet(ElementId::NONE, "protobuf.services", &Json::of(&Value::Map(services)));
        }
        Ok(())
    }

    fn service(&mut self, file: usize, name: &str, service: &Service<'_>) -> Result<Value, Refused> {
        let element = self.place(file, service.head.spot, ElementId::NONE, name);
        self.builder.facet(element, "protobuf.service", &Json::of_text(name));
        let (mut options, deprecated) = self.options(file, name, &service.options);
        options.remove("features");
        let host = word(&options, HOST).map(str::to_owned);
        let mut servers = Vec::new();
        if let Some(host) = host {
            options.remove(HOST);
            servers.push(self.server(element, &host));
        }
        let shared = Shared { name, element, deprecated, servers };
        let mut seen = HashSet::default();
        for method in &service.methods {
            if !seen.insert(method.head.name) || self.is_taken(name, method.head.name) {
                let message =
                    format!("The method {} is defined a second time; the first one holds.", quote(method.head.name));
                self.warnings.push("duplicate-name", message, self.shown(file), method.head.spot.line, name);
                continue;
            }
            if self.builder.surface().operations.len() >= OPERATIONS_MAX {
                let message =
                    format!("The document has more than {OPERATIONS_MAX} operations, which is the most that is read.");
                let spot = method.head.spot;
                return Err(Refused::new("too-many-operations", message).at(self.shown(file), spot.line, spot.column));
            }
            self.method(file, &shared, method);
        }
        let mut told =
            BTreeMap::from([("file".to_owned(), Value::String(self.key(file).as_text().unwrap_or_default()))]);
        if deprecated {
            told.insert("deprecated".to_owned(), Value::Bool(true));
        }
        if !options.is_empty() {
            told.insert("options".to_owned(), Value::Map(options));
        }
        Ok(Value::Map(told))
    }

    /// Whether a service of the same name had the method already.
    fn is_taken(&mut self, service: &str, method: &str) -> bool {
        !self.methods.insert(format!("{service}/{method}"))
    }

    fn server(&mut self, element: ElementId, host: &str) -> ServerId {
        if let Some(id) = self.servers.get(host) {
            return *id;
        }
        let (url, protocol) = (self.builder.text(host), self.builder.text(""));
        let id = self.builder.server(Server { element, url, protocol, variables: Vec::new() });
        self.servers.insert(host.to_owned(), id);
        id
    }

    fn method(&mut self, file: usize, shared: &Shared<'_>, method: &Method<'_>) {
        let (head, service) = (&method.head, shared.name);
        let element = self.place(file, head.spot, shared.element, &format!(".{}", head.name));
        let (mut options, deprecated) = self.options(file, service, &method.options);
        let http = self.bindings(options.remove(HTTP), file, head.spot, head.name);
        self.tell(file, element, options);
        let input = self.message_of(file, service, element, &method.input, head.spot);
        let output = self.message_of(file, service, element, &method.output, head.spot);
        let empty = self.builder.text("");
        let content =
            |ty: TypeId| vec![Content { element: ElementId::NONE, media_type: empty.clone(), ty, item: None }];
        let input = Input {
            element: ElementId::NONE,
            place: Place::Message,
            name: empty.clone(),
            presence: Presence::Required,
            summary: Words::default(),
            deprecated: false,
            contents: content(input),
            default: None,
        };
        let outcome = Outcome {
            element: ElementId::NONE,
            status: self.builder.text("ok"),
            summary: Words::default(),
            contents: content(output),
            headers: Vec::new(),
        };
        let tag = service.rsplit('.').next().unwrap_or(service);
        let operation = Operation {
            element,
            id: self.builder.text(&format!("{service}/{}", head.name)),
            kind: OperationKind::Rpc {
                service: self.builder.text(service),
                method: self.builder.text(head.name),
                client_streams: method.client_streams,
                server_streams: method.server_streams,
            },
            summary: self.builder.words(&lex::summary(head.comment)),
            tags: vec![self.builder.words(tag)],
            deprecated: deprecated || shared.deprecated,
            inputs: vec![input],
            outcomes: vec![outcome],
            security: Vec::new(),
            servers: shared.servers.clone(),
            http,
        };
        self.builder.operation(operation);
    }

    fn message_of(&mut self, file: usize, scope: &str, parent: ElementId, name: &str, spot: Spot) -> TypeId {
        match self.named(file, scope, name, spot) {
            Some(symbol @ Symbol::Message(_)) => self.wanted(symbol),
            Some(symbol) => {
                let message = format!("{} is no message; a method takes and answers messages.", quote(name));
                self.warnings.push("no-message", message, self.shown(file), spot.line, name);
                self.wanted(symbol)
            }
            None => self.unresolved(file, parent, name, spot),
        }
    }

    /// The rules of `google.api.http`: the first one and those that it adds.
    fn bindings(&mut self, option: Option<Value>, file: usize, spot: Spot, name: &str) -> Vec<HttpBinding> {
        let rules: Vec<Value> = match option {
            None => return Vec::new(),
            Some(Value::List(rules)) => rules,
            Some(rule) => vec![rule],
        };
        let mut bindings = Vec::new();
        let mut bad = false;
        for rule in rules {
            let Value::Map(mut rule) = rule else {
                bad = true;
                continue;
            };
            let more = match rule.remove("additional_bindings") {
                Some(Value::List(more)) => more,
                more => more.into_iter().collect(),
            };
            bad |= more.len() > BINDINGS_MAX;
            let rules = std::iter::once(Value::Map(rule)).chain(more.into_iter().take(BINDINGS_MAX));
            for rule in rules {
                match self.binding(&rule) {
                    Some(binding) => bindings.push(binding),
                    None => bad = true,
                }
            }
        }
        if bad {
            let message =
                format!("A rule of google.api.http of {} has no method with a path, or is one too many.", quote(name));
            self.warnings.push("http-rule", message, self.shown(file), spot.line, name);
        }
        bindings
    }

    fn binding(&mut self, rule: &Value) -> Option<HttpBinding> {
        let Value::Map(rule) = rule else { return None };
        let (method, path) = method_of(rule)?;
        let mut text = |name: &str| self.builder.text(word(rule, name).unwrap_or_default());
        let (body, response_body) = (text("body"), text("response_body"));
        Some(HttpBinding { method: self.builder.text(&method), path: self.builder.text(path), body, response_body })
    }
}

/// The method and the path of a rule.
fn method_of(rule: &Options) -> Option<(String, &str)> {
    for method in ["get", "put", "post", "delete", "patch"] {
        if let Some(path) = word(rule, method) {
            return Some((method.to_ascii_uppercase(), path));
        }
    }
    match rule.get("custom") {
        Some(Value::Map(custom)) => Some((word(custom, "kind")?.to_ascii_uppercase(), word(custom, "path")?)),
        _ => None,
    }
}
