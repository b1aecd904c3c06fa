//! The operations of a surface: what can be called, with what, and what comes of it.

use super::{ElementId, Json, Presence, Text, TypeId, Words};

/// One callable thing of a version. The order of inputs, outcomes, needs and the rest is the document's and is not meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Where it stands.
    pub element: ElementId,
    /// Its name, unique in the surface: the document's own (`operationId`, `pkg.Service/Method`, `Query.user`) or one that is derived (`GET /users`).
    pub id: Text,
    /// What is called.
    pub kind: OperationKind,
    /// One line of what it does, for people.
    pub summary: Words,
    /// Words to group it by, for people.
    pub tags: Vec<Words>,
    /// Whether the document calls it deprecated.
    pub deprecated: bool,
    /// What goes in. No two have the same place and name.
    pub inputs: Vec<Input>,
    /// What can come out, by status.
    pub outcomes: Vec<Outcome>,
    /// Who may call: one of these sets must be met whole. None at all: anyone, because the document asks for nothing;
    /// an empty set among them: anonymous callers too.
    pub security: Vec<Alternative>,
    /// Where it is served; none: the document does not say.
    pub servers: Vec<ServerId>,
    /// How it is called over plain HTTP besides (`google.api.http` of a method). For [`OperationKind::Http`] the kind says it and this is empty.
    pub http: Vec<HttpBinding>,
}

/// What an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// A method of HTTP on a path.
    Http {
        /// In upper case.
        method: Text,
        /// With its parameters in braces, as in the document.
        path: Text,
    },
    /// A message that the provider sends by HTTP to an address that the caller has told otherwise (a webhook of OpenAPI). Inputs are what the
    /// **provider** sends and outcomes what it understands as an answer.
    Webhook {
        /// In upper case.
        method: Text,
        /// The webhook's name.
        name: Text,
    },
    /// A message that the provider sends by HTTP to an address that came with another operation. As with a webhook, the provider is who sends.
    Callback {
        /// The id of the operation that it belongs to.
        of: Text,
        /// The callback's name there.
        name: Text,
        /// The address: an expression over the other operation's request.
        expression: Text,
        /// In upper case.
        method: Text,
    },
    /// A field of a root type of GraphQL.
    Field {
        /// Which root.
        root: Root,
        /// The field's name.
        name: Text,
    },
    /// A method of a service (gRPC). Its input is one [`Place::Message`] and its outcome `ok`.
    Rpc {
        /// The service with its package.
        service: Text,
        /// The method's name.
        method: Text,
        /// Whether the caller sends a stream of messages.
        client_streams: bool,
        /// Whether the service answers with a stream.
        server_streams: bool,
    },
    /// Messages over a channel (AsyncAPI). Each message is an input with [`Place::Message`] under its name; parameters of the address are
    /// inputs with [`Place::Path`]. A reply is the outcome `ok`.
    Channel {
        /// The channel's address, with its parameters in braces; its name where it has no address.
        address: Text,
        /// What the **API** does.
        action: Action,
    },
    /// An operation of a WSDL port type or interface. Header blocks are inputs with [`Place::Header`], the body is a [`Place::Message`];
    /// faults are outcomes `error` or `error:{name}`.
    Soap {
        /// The port type or interface, with its namespace.
        interface: Text,
        /// The operation's name.
        name: Text,
        /// The SOAP action; empty for none.
        action: Text,
    },
}

impl OperationKind {
    /// Whether the provider is who sends the inputs and the caller who answers: what an input must accept and an outcome may promise is then the
    /// other way around.
    #[must_use]
    pub fn is_sent_by_provider(&self) -> bool {
        matches!(self, Self::Webhook { .. } | Self::Callback { .. } | Self::Channel { action: Action::Send, .. })
    }
}

/// The root types of GraphQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Root {
    /// Reads.
    #[default]
    Query,
    /// Writes.
    Mutation,
    /// Is told of what happens.
    Subscription,
}

/// What an API does on a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// It sends messages (AsyncAPI 2's `subscribe`, said from the other side).
    #[default]
    Send,
    /// It receives messages (AsyncAPI 2's `publish`).
    Receive,
}

/// A way over plain HTTP to an operation of another kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpBinding {
    /// In upper case.
    pub method: Text,
    /// With its parameters in braces, as in the document.
    pub path: Text,
    /// The field of the message that is the body, `*` for all that the path does not have, empty for none.
    pub body: Text,
    /// The field of the answer that is the body, empty for all of it.
    pub response_body: Text,
}

/// One thing that goes in; also a header that comes out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// Where it stands.
    pub element: ElementId,
    /// Where it goes.
    pub place: Place,
    /// Its name there; empty for a body. Names of headers are as in the document: compare them without case.
    pub name: Text,
    /// Whether it must be there. Parameters of a path always must.
    pub presence: Presence,
    /// One line of what it is, for people.
    pub summary: Words,
    /// Whether it is called deprecated.
    pub deprecated: bool,
    /// What it is, in each form in which it may come: a body by its media types, anything else once.
    pub contents: Vec<Content>,
    /// The value that is taken where it is missing, if the input itself says so (GraphQL's arguments). See [`Type::default`](super::Type::default).
    pub default: Option<Json>,
}

/// Where an input goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// Into the path.
    #[default]
    Path,
    /// Into the query, under its name.
    Query,
    /// Into the headers.
    Header,
    /// Into a cookie.
    Cookie,
    /// It is the whole query (OpenAPI 3.2's `querystring`).
    QueryString,
    /// It is the body.
    Body,
    /// An argument of a field (GraphQL).
    Argument,
    /// A message (gRPC, channels, SOAP).
    Message,
}

/// A type in one form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// Where it stands; [`ElementId::NONE`] where it stands where its owner does.
    pub element: ElementId,
    /// The media type in lower case, without spaces; empty where the format has none.
    pub media_type: Text,
    /// The type; [`Shape::Any`](super::Shape::Any) where the document says nothing.
    pub ty: TypeId,
    /// The type of each item of a stream (OpenAPI 3.2's `itemSchema`).
    pub item: Option<TypeId>,
}

/// One thing that can come of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Where it stands.
    pub element: ElementId,
    /// When: `200`, `4XX`, `default`; `ok` and `error` where the format has no status, `error:{name}` for a named fault.
    pub status: Text,
    /// One line of what it is, for people.
    pub summary: Words,
    /// The answer by media type; none: it has no body.
    pub contents: Vec<Content>,
    /// The answer's headers, each an [`Input`] with [`Place::Header`].
    pub headers: Vec<Input>,
}

/// A set of needs that are met together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alternative {
    /// Each must be met; none: nothing is needed.
    pub needs: Vec<Need>,
}

/// A scheme that a caller must satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub scheme: SchemeId,
    /// With these scopes or roles, all of them.
    pub scopes: Vec<Text>,
}

/// A scheme's place in [`Surface::schemes`](super::Surface::schemes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemeId(pub u32);

/// A server's place in [`Surface::servers`](super::Surface::servers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub u32);

/// A way to prove who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Where it stands.
    pub element: ElementId,
    /// What the document calls it, for people: callers see only what it is.
    pub name: Words,
    /// What it is.
    pub kind: SchemeKind,
}

/// The ways to prove who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemeKind {
    /// A key in a header, the query or a cookie.
    ApiKey {
        /// Where it goes.
        place: Place,
        /// Its name there.
        name: Text,
    },
    /// A scheme of HTTP's `Authorization`.
    Http {
        /// In lower case: `basic`, `bearer`.
        scheme: Text,
    },
    /// OAuth 2.
    OAuth2 {
        /// The flows, each once.
        flows: Vec<Flow>,
    },
    /// `OpenID` Connect.
    OpenId {
        /// Where its discovery document is.
        url: Text,
    },
    /// A certificate of the client.
    MutualTls,
    /// One that the model does not know, or that the document names without defining it.
    Other {
        /// What the document says, as canonical JSON; its name where it is not defined.
        kind: Text,
    },
}

/// A flow of OAuth 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// `authorizationCode`, `clientCredentials`, `implicit`, `password`, `deviceAuthorization`.
    pub kind: Text,
    /// Where the user allows it; empty for none.
    pub authorization_url: Text,
    /// Where a token is got; empty for none.
    pub token_url: Text,
    /// Where a token is renewed; empty for none.
    pub refresh_url: Text,
    /// The names of the scopes that there are.
    pub scopes: Vec<Text>,
}

/// Where an API is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it stands.
    pub element: ElementId,
    /// The address, perhaps relative, with its variables in braces.
    pub url: Text,
    /// The protocol where the address does not say it (AsyncAPI); empty otherwise.
    pub protocol: Text,
    /// The variables.
    pub variables: Vec<Variable>,
}

/// A variable of a server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: Text,
    /// Its value where none is chosen.
    pub default: Text,
    /// The values to choose from; none: any.
    pub values: Vec<Text>,
}
