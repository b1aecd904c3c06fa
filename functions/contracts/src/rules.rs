//! The rules: one space for all formats. Each has a page in `rules/{id}.md` with what it means, an example and a remedy.

use crate::finding::Severity;

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, stable.
    pub id: &'static str,
    /// What it says of a change, unless a format's table says otherwise.
    pub severity: Severity,
    /// What it is about, in one line.
    pub title: &'static str,
}

macro_rules! rules {
    ($($name:ident $severity:ident $id:literal $title:literal)*) => {
        $(#[doc = $title] pub static $name: Rule = Rule { id: $id, severity: Severity::$severity, title: $title };)*
        /// All rules, in the order of this file.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    OPERATION_REMOVED Breaking "operation-removed" "An operation is gone."
    OPERATION_ADDED Compatible "operation-added" "There is a new operation."
    OPERATION_DEPRECATED Compatible "operation-deprecated" "An operation is deprecated."
    OPERATION_UNDEPRECATED Compatible "operation-undeprecated" "An operation is no longer deprecated."
    OPERATION_RENAMED Compatible "operation-renamed" "An operation has another id: calls are the same, generated code is not."
    OPERATION_CHANGED Breaking "operation-changed" "An operation is called in another way."
    DETAIL_CHANGED Compatible "detail-changed" "Something that callers do not depend on has changed."
    STABILITY_DECREASED Breaking "stability-decreased" "An operation promises less stability than it did."
    SUNSET_CHANGED Dangerous "sunset-changed" "An operation ends earlier than was said, or its end is no longer told."

    REQUEST_PARAMETER_ADDED Compatible "request-parameter-added" "There is a new parameter that may be left out."
    REQUEST_PARAMETER_REQUIRED_ADDED Breaking "request-parameter-required-added" "There is a new parameter that must be sent."
    REQUEST_PARAMETER_REMOVED Dangerous "request-parameter-removed" "A parameter is gone."
    REQUEST_PARAMETER_BECAME_REQUIRED Breaking "request-parameter-became-required" "A parameter that could be left out must be sent."
    REQUEST_PARAMETER_BECAME_OPTIONAL Compatible "request-parameter-became-optional" "A parameter that had to be sent may be left out."
    REQUEST_PARAMETER_ENCODING_CHANGED Breaking "request-parameter-encoding-changed" "A parameter is written in another way."
    REQUEST_BODY_ADDED Compatible "request-body-added" "There is a body that may be left out."
    REQUEST_BODY_REQUIRED_ADDED Breaking "request-body-required-added" "There is a new body that must be sent."
    REQUEST_BODY_REMOVED Dangerous "request-body-removed" "There is no body any more."
    REQUEST_BODY_BECAME_REQUIRED Breaking "request-body-became-required" "A body that could be left out must be sent."
    REQUEST_BODY_BECAME_OPTIONAL Compatible "request-body-became-optional" "A body that had to be sent may be left out."
    REQUEST_MEDIA_TYPE_ADDED Compatible "request-media-type-added" "A body may be sent in another form."
    REQUEST_MEDIA_TYPE_REMOVED Breaking "request-media-type-removed" "A body cannot be sent in this form any more."

    RESPONSE_STATUS_ADDED Compatible "response-status-added" "There is a new status of an answer."
    RESPONSE_STATUS_REMOVED Compatible "response-status-removed" "A status that means failure is gone."
    RESPONSE_SUCCESS_REMOVED Breaking "response-success-removed" "A status that means success is gone."
    RESPONSE_BODY_ADDED Compatible "response-body-added" "An answer has a body now."
    RESPONSE_BODY_REMOVED Breaking "response-body-removed" "An answer has no body any more."
    RESPONSE_MEDIA_TYPE_ADDED Compatible "response-media-type-added" "An answer may come in another form."
    RESPONSE_MEDIA_TYPE_REMOVED Breaking "response-media-type-removed" "An answer does not come in this form any more."
    RESPONSE_HEADER_ADDED Compatible "response-header-added" "An answer has a new header."
    RESPONSE_HEADER_REMOVED Breaking "response-header-removed" "A header of an answer is gone."
    RESPONSE_HEADER_BECAME_OPTIONAL Breaking "response-header-became-optional" "A header that was always there may be missing."
    RESPONSE_HEADER_BECAME_REQUIRED Compatible "response-header-became-required" "A header that could be missing is always there."

    SECURITY_TIGHTENED Breaking "security-tightened" "A way to prove who calls is not enough any more."
    SECURITY_LOOSENED Compatible "security-loosened" "There is another way to prove who calls, or none is needed."
    SECURITY_DETAIL_CHANGED Compatible "security-detail-changed" "A way to prove who calls is described otherwise."
    SERVERS_CHANGED Compatible "servers-changed" "It is served at other addresses."

    REQUEST_TYPE_CHANGED Breaking "request-type-changed" "What is sent must be of another type."
    REQUEST_TYPE_NARROWED Breaking "request-type-narrowed" "Fewer types may be sent."
    REQUEST_TYPE_WIDENED Compatible "request-type-widened" "More types may be sent."
    REQUEST_FORMAT_CHANGED Breaking "request-format-changed" "What is sent must be of another format."
    REQUEST_BECAME_NULLABLE Compatible "request-became-nullable" "Null may be sent."
    REQUEST_BECAME_NOT_NULLABLE Breaking "request-became-not-nullable" "Null may not be sent any more."
    REQUEST_ENUM_VALUE_ADDED Compatible "request-enum-value-added" "Another value may be sent."
    REQUEST_ENUM_VALUE_REMOVED Breaking "request-enum-value-removed" "A value may not be sent any more."
    REQUEST_ENUM_ADDED Breaking "request-enum-added" "Only listed values may be sent, where any could."
    REQUEST_ENUM_REMOVED Compatible "request-enum-removed" "Any value may be sent, where only listed ones could."
    REQUEST_CONSTRAINT_TIGHTENED Breaking "request-constraint-tightened" "A limit for what is sent is stricter, or new."
    REQUEST_CONSTRAINT_LOOSENED Compatible "request-constraint-loosened" "A limit for what is sent is wider, or gone."
    REQUEST_PATTERN_CHANGED Dangerous "request-pattern-changed" "What is sent must match another regular expression."
    REQUEST_FIELD_ADDED Compatible "request-field-added" "There is a new field that may be left out."
    REQUEST_FIELD_REQUIRED_ADDED Breaking "request-field-required-added" "There is a new field that must be sent."
    REQUEST_FIELD_REMOVED Dangerous "request-field-removed" "A field is gone: who sends it is not heard."
    REQUEST_FIELD_FORBIDDEN Breaking "request-field-forbidden" "A field is gone, and fields that are not listed are refused."
    REQUEST_FIELD_BECAME_REQUIRED Breaking "request-field-became-required" "A field that could be left out must be sent."
    REQUEST_FIELD_BECAME_OPTIONAL Compatible "request-field-became-optional" "A field that had to be sent may be left out."
    REQUEST_FIELD_BECAME_READ_ONLY Compatible "request-field-became-read-only" "A field is only answered now."
    REQUEST_FIELDS_CLOSED Breaking "request-fields-closed" "Fields that are not listed are refused."
    REQUEST_FIELDS_OPENED Compatible "request-fields-opened" "Fields that are not listed may be sent."
    REQUEST_VARIANT_ADDED Compatible "request-variant-added" "Another type of a union may be sent."
    REQUEST_VARIANT_REMOVED Breaking "request-variant-removed" "A type of a union may not be sent any more."
    REQUEST_DISCRIMINATOR_CHANGED Dangerous "request-discriminator-changed" "The types of a union are told apart in another way."
    REQUEST_DISCRIMINATOR_ADDED Compatible "request-discriminator-added" "A field tells the types of a union apart that were told apart without."
    REQUEST_DEFAULT_CHANGED Dangerous "request-default-changed" "What is left out means something else."
    REQUEST_DEPRECATED Compatible "request-deprecated" "Something that is sent is deprecated, or no longer."
    REQUEST_CONDITION_ADDED Dangerous "request-condition-added" "There is a new condition for what is sent."
    REQUEST_CONDITION_REMOVED Compatible "request-condition-removed" "A condition for what is sent is gone."

    RESPONSE_TYPE_CHANGED Breaking "response-type-changed" "What is answered is of another type."
    RESPONSE_TYPE_WIDENED Breaking "response-type-widened" "What is answered may be of more types."
    RESPONSE_TYPE_NARROWED Compatible "response-type-narrowed" "What is answered is of fewer types."
    RESPONSE_FORMAT_CHANGED Breaking "response-format-changed" "What is answered is of another format."
    RESPONSE_BECAME_NULLABLE Breaking "response-became-nullable" "What is answered may be null."
    RESPONSE_BECAME_NOT_NULLABLE Compatible "response-became-not-nullable" "What is answered is never null."
    RESPONSE_ENUM_VALUE_ADDED Dangerous "response-enum-value-added" "Another value may be answered."
    RESPONSE_ENUM_VALUE_REMOVED Compatible "response-enum-value-removed" "A value is not answered any more."
    RESPONSE_ENUM_VALUE_LISTED Compatible "response-enum-value-listed" "A value is listed that receivers had to expect before."
    RESPONSE_ENUM_ADDED Compatible "response-enum-added" "Only listed values are answered, where any could be."
    RESPONSE_ENUM_REMOVED Dangerous "response-enum-removed" "Any value may be answered, where only listed ones could be."
    RESPONSE_CONSTRAINT_LOOSENED Breaking "response-constraint-loosened" "A limit for what is answered is wider, or gone."
    RESPONSE_CONSTRAINT_TIGHTENED Compatible "response-constraint-tightened" "A limit for what is answered is stricter, or new."
    RESPONSE_PATTERN_CHANGED Dangerous "response-pattern-changed" "What is answered matches another regular expression."
    RESPONSE_FIELD_ADDED Compatible "response-field-added" "There is a new field."
    RESPONSE_FIELD_REMOVED Breaking "response-field-removed" "A field is gone."
    RESPONSE_FIELD_BECAME_OPTIONAL Breaking "response-field-became-optional" "A field that was always there may be missing."
    RESPONSE_FIELD_BECAME_REQUIRED Compatible "response-field-became-required" "A field that could be missing is always there."
    RESPONSE_FIELD_BECAME_WRITE_ONLY Breaking "response-field-became-write-only" "A field is only sent now."
    RESPONSE_FIELDS_OPENED Dangerous "response-fields-opened" "Fields that are not listed may be answered."
    RESPONSE_FIELDS_CLOSED Compatible "response-fields-closed" "Fields that are not listed are not answered."
    RESPONSE_VARIANT_ADDED Dangerous "response-variant-added" "Another type of a union may be answered."
    RESPONSE_VARIANT_REMOVED Compatible "response-variant-removed" "A type of a union is not answered any more."
    RESPONSE_DISCRIMINATOR_CHANGED Dangerous "response-discriminator-changed" "The types of a union are told apart in another way."
    RESPONSE_DISCRIMINATOR_ADDED Compatible "response-discriminator-added" "A field tells the types of a union apart that were told apart without."
    RESPONSE_DEFAULT_CHANGED Compatible "response-default-changed" "What a field of an answer means where it is missing is described otherwise."
    RESPONSE_DEPRECATED Compatible "response-deprecated" "Something that is answered is deprecated, or no longer."
    RESPONSE_CONDITION_REMOVED Dangerous "response-condition-removed" "A condition for what is answered is gone."
    RESPONSE_CONDITION_ADDED Compatible "response-condition-added" "There is a new condition for what is answered."

    TYPE_REMOVED Breaking "type-removed" "A type that callers can name is gone."
    TYPE_ADDED Compatible "type-added" "There is a new type."
    INTERFACE_ADDED Dangerous "interface-added" "A type implements another interface: whoever asks for the interface is answered with a type that was not there."
    INTERFACE_REMOVED Breaking "interface-removed" "A type does not implement an interface any more."
    DIRECTIVE_REMOVED Breaking "directive-removed" "A directive is gone."
    DIRECTIVE_ADDED Compatible "directive-added" "There is a new directive."
    DIRECTIVE_LOCATION_REMOVED Breaking "directive-location-removed" "A directive may not stand in a place any more."
    DIRECTIVE_LOCATION_ADDED Compatible "directive-location-added" "A directive may stand in another place."
    DIRECTIVE_REPEATABLE_REMOVED Breaking "directive-repeatable-removed" "A directive may stand only once in a place."
    DIRECTIVE_REPEATABLE_ADDED Compatible "directive-repeatable-added" "A directive may stand several times in a place."
    DIRECTIVES_APPLIED_CHANGED Compatible "directives-applied-changed" "Other directives are applied, which callers do not see."
}
