//! Who may call, and where: security schemes and servers.

use shared::surface::{
    Alternative, ElementId, Flow, Json, Need, Place, Scheme, SchemeId, SchemeKind, Server, ServerId, Text, Variable,
};

use super::documents::At;
use super::{Reader, Spot, Version, escape};
use crate::readers::{Refused, quote};

/// Servers, variables, flows, scopes of one list.
const LISTED_MAX: usize = 1_000;

impl Reader<'_, '_> {
    /// Reads the schemes that the document defines.
    pub(super) fn schemes(&mut self) -> Result<(), Refused> {
        let docs = self.docs;
        let keys: &[&str] =
            if self.version == Version::V2 { &["securityDefinitions"] } else { &["components", "securitySchemes"] };
        let Some(listed) = keys.iter().try_fold(docs.root(), |at, key| docs.get(at, key)) else { return Ok(()) };
        for entry in docs.entries(listed) {
            let Some(node) = self.followed(listed.value(entry)) else { continue };
            let step = format!("/{}/{}", keys.join("/"), escape(entry.key));
            let element = self.element(node, Some(entry.position), &Spot { parent: ElementId::NONE, step })?;
            let kind = self.scheme_kind(node)?;
            let name = self.builder.words(entry.key);
            let id = self.builder.scheme(Scheme { element, name, kind });
            self.schemes.insert(entry.key.to_string(), id);
        }
        Ok(())
    }

    fn text_at(&mut self, at: At, key: &str) -> Text {
        let text: String = self.docs.text_of(at, key).chars().take(1_000).collect();
        self.text(&text)
    }

    fn scheme_kind(&mut self, node: At) -> Result<SchemeKind, Refused> {
        let docs = self.docs;
        Ok(match docs.text_of(node, "type") {
            "apiKey" => {
                let place = match docs.text_of(node, "in") {
                    "query" => Place::Query,
                    "cookie" => Place::Cookie,
                    _ => Place::Header,
                };
                SchemeKind::ApiKey { place, name: self.text_at(node, "name") }
            }
            "basic" if self.version == Version::V2 => SchemeKind::Http { scheme: self.text("basic") },
            "http" => {
                let scheme = docs.text_of(node, "scheme").to_ascii_lowercase();
                SchemeKind::Http { scheme: self.text(&scheme) }
            }
            "openIdConnect" => SchemeKind::OpenId { url: self.text_at(node, "openIdConnectUrl") },
            "mutualTLS" => SchemeKind::MutualTls,
            "oauth2" => SchemeKind::OAuth2 { flows: self.flows(node) },
            _ => {
                self.warn("security-scheme", "The security scheme is of no kind that OpenAPI knows.".to_owned(), node);
                SchemeKind::Other { kind: self.json(node)?.text().into() }
            }
        })
    }

    fn flows(&mut self, node: At) -> Vec<Flow> {
        let docs = self.docs;
        let flows: Vec<(String, At)> = if self.version == Version::V2 {
            let kind = match docs.text_of(node, "flow") {
                "application" => "clientCredentials",
                "accessCode" => "authorizationCode",
                other => other,
            };
            vec![(kind.chars().take(100).collect(), node)]
        } else {
            let listed = docs.get(node, "flows");
            let flows = listed.into_iter().flat_map(|at| docs.entries(at).map(move |entry| (entry, at.value(entry))));
            flows.map(|(entry, at)| (entry.key.chars().take(100).collect(), at)).take(LISTED_MAX).collect()
        };
        let flow = |(kind, at): (String, At)| {
            let scopes = docs.get(at, "scopes").into_iter().flat_map(|scopes| docs.entries(scopes));
            Flow {
                kind: self.text(&kind),
                authorization_url: self.text_at(at, "authorizationUrl"),
                token_url: self.text_at(at, "tokenUrl"),
                refresh_url: self.text_at(at, "refreshUrl"),
                scopes: scopes.filter(|entry| !entry.key.starts_with("x-")).map(|entry| self.text(entry.key)).collect(),
            }
        };
        flows.into_iter().map(flow).collect()
    }

    /// Who may call an operation: what it says, or else what the document says.
    pub(super) fn security(&mut self, operation: At) -> Result<Vec<Alternative>, Refused> {
        let docs = self.docs;
        let Some(listed) = docs.get(operation, "security").or_else(|| docs.get(docs.root(), "security")) else {
            return Ok(Vec::new());
        };
        let mut alternatives = Vec::new();
        for item in docs.items(listed).take(LISTED_MAX) {
            let mut needs = Vec::new();
            for entry in docs.entries(item) {
                let scheme = match self.schemes.get(entry.key) {
                    Some(scheme) => *scheme,
                    None => self.undefined(entry.key, item)?,
                };
                let scopes = docs.items(item.value(entry)).take(LISTED_MAX);
                let scopes: Vec<&str> = scopes.filter_map(|scope| docs.loose_text(scope)).collect();
                needs.push(Need { scheme, scopes: scopes.into_iter().map(|scope| self.text(scope)).collect() });
            }
            alternatives.push(Alternative { needs });
        }
        Ok(alternatives)
    }

    fn undefined(&mut self, name: &str, at: At) -> Result<SchemeId, Refused> {
        self.warn("security-scheme", format!("The security scheme {} is not defined.", quote(name)), at);
        let element = self.element(at, None, &Spot { parent: ElementId::NONE, step: self.docs.pointer(at) })?;
        let kind = SchemeKind::Other { kind: Json::of_text(name).text().into() };
        let words = self.builder.words(name);
        let id = self.builder.scheme(Scheme { element, name: words, kind });
        self.schemes.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Where an operation is served: what it says, or its path, or the document.
    pub(super) fn servers(&mut self, operation: At, items: &[At]) -> Result<Vec<ServerId>, Refused> {
        let docs = self.docs;
        let root = docs.root();
        if self.version == Version::V2 {
            return self.swagger_servers(operation);
        }
        let owners = std::iter::once(operation).chain(items.iter().copied()).chain([root]);
        let Some(listed) = owners.into_iter().find_map(|owner| docs.get(owner, "servers")) else {
            return Ok(Vec::new());
        };
        let listed = docs.canonical(listed);
        if let Some(known) = self.servers.get(&listed) {
            return Ok(known.clone());
        }
        let mut servers = Vec::new();
        for node in docs.items(listed).take(LISTED_MAX) {
            let element = self.element(node, None, &Spot { parent: ElementId::NONE, step: docs.pointer(node) })?;
            let mut variables = Vec::new();
            if let Some(named) = docs.get(node, "variables") {
                for entry in docs.entries(named).take(LISTED_MAX) {
                    let variable = named.value(entry);
                    let values =
                        docs.get(variable, "enum").into_iter().flat_map(|list| docs.items(list)).take(LISTED_MAX);
                    let values: Vec<&str> = values.filter_map(|value| docs.loose_text(value)).collect();
                    variables.push(Variable {
                        name: self.text(entry.key),
                        default: self.text_at(variable, "default"),
                        values: values.into_iter().map(|value| self.text(value)).collect(),
                    });
                }
            }
            let server = Server { element, url: self.text_at(node, "url"), protocol: self.text(""), variables };
            servers.push(self.builder.server(server));
        }
        self.servers.insert(listed, servers.clone());
        Ok(servers)
    }

    /// The servers of 2.0: each scheme with the host and the base path.
    fn swagger_servers(&mut self, operation: At) -> Result<Vec<ServerId>, Refused> {
        let docs = self.docs;
        let root = docs.root();
        let (host, base) = (docs.text_of(root, "host"), docs.text_of(root, "basePath"));
        if host.is_empty() && base.is_empty() {
            return Ok(Vec::new());
        }
        let listed = docs.get(operation, "schemes").or_else(|| docs.get(root, "schemes"));
        let owner = docs.canonical(listed.unwrap_or(root));
        if let Some(known) = self.servers.get(&owner) {
            return Ok(known.clone());
        }
        let schemes: Vec<&str> =
            listed.into_iter().flat_map(|list| docs.items(list)).filter_map(|at| docs.text(at)).take(20).collect();
        let start = |scheme: Option<&str>| match scheme {
            _ if host.is_empty() => String::new(),
            Some(scheme) => format!("{scheme}://{host}"),
            None => format!("//{host}"),
        };
        let starts = if schemes.is_empty() {
            vec![start(None)]
        } else {
            schemes.into_iter().map(|scheme| start(Some(scheme))).collect()
        };
        let element = self.element(owner, None, &Spot { parent: ElementId::NONE, step: docs.pointer(owner) })?;
        let mut servers = Vec::new();
        for start in starts {
            let url: String = format!("{start}{}", base.trim_end_matches('/')).chars().take(1_000).collect();
            let server = Server { element, url: self.text(&url), protocol: self.text(""), variables: Vec::new() };
            servers.push(self.builder.server(server));
        }
        self.servers.insert(owner, servers.clone());
        Ok(servers)
    }
}
