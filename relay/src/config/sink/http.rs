//! `type = "http"`

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::codes;
use crate::config::document::Text;
use crate::config::section::Section;
use crate::sink::http::config::{CredentialConfig, HttpSinkConfig, RESERVED};

/// Enough to fill a link of 100 ms with 640 requests a second, few enough for a small receiver.
const CONCURRENCY: usize = 64;
/// What receivers of webhooks are usually given.
const TIMEOUT: Duration = Duration::from_secs(15);

pub(in crate::config) fn read(name: &str, section: &Section<'_>) -> HttpSinkConfig {
    let url = section.entry("url").and_then(|it| it.text());
    if section.entry("url").is_none() {
        section.missing("url", "where requests go, as in \"https://billing.internal/hooks\"");
    }
    let local = url.as_ref().is_some_and(|it| check_url(section, it));
    HttpSinkConfig {
        name: name.to_owned(),
        url: url.map(|it| it.value).unwrap_or_default(),
        method: read_method(section),
        headers: read_headers(section),
        credentials: read_credentials(section),
        secrets: read_secrets(section),
        concurrency: section.count("concurrency", CONCURRENCY, 1..=4096),
        timeout: section.duration("timeout", TIMEOUT, Duration::from_millis(10)..=Duration::from_secs(600)),
        // Whoever writes localhost means it.
        allow_private: section.flag("allow_private", local),
        conflict_is_success: section.flag("conflict_is_success", false),
    }
}

/// Says what is wrong with the URL; answers whether its host is this machine.
fn check_url(section: &Section<'_>, url: &Text) -> bool {
    let wrong = |why: &str| {
        let allowed =
            "allowed: http://host:port/path or https://host:port/path, without user, query and fragment";
        section.document.error(codes::ADDRESS, &url.spot, format!("this URL can't be used: {why}"), allowed);
        false
    };
    let uri: Uri = match url.value.parse() {
        Ok(uri) => uri,
        Err(error) => return wrong(&format!("{error}")),
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return wrong("its scheme is neither http nor https");
    }
    if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
        return wrong("credentials belong into headers = { authorization = \"…\" }");
    }
    if uri.query().is_some() || url.value.contains('#') {
        return wrong("paths are appended to it, so it can't end in a query or a fragment");
    }
    matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

fn read_method(section: &Section<'_>) -> String {
    let Some(method) = section.text("method") else { return "POST".to_owned() };
    if !method.value.chars().all(|it| it.is_ascii_uppercase()) || method.value.parse::<Method>().is_err() {
        let message = format!("{:?} is not an HTTP method", method.value);
        section.document.error(
            codes::NOT_ALLOWED,
            &method.spot,
            message,
            "allowed: POST, PUT, PATCH and others in capitals",
        );
    }
    method.value
}

fn read_headers(section: &Section<'_>) -> Vec<(String, String)> {
    let Some(headers) = section.section("headers") else { return Vec::new() };
    let mut all = Vec::new();
    for (name, entry) in headers.entries() {
        let Some(value) = entry.secret() else { continue };
        if name.value.parse::<HeaderName>().is_err() || value.value.parse::<HeaderValue>().is_err() {
            let message = format!("the header {:?} can't be sent", name.value);
            let allowed = "a name is made of letters, digits and \"-\"; a value has no line breaks";
            section.document.error(codes::NOT_ALLOWED, &name.spot, message, allowed);
        }
        all.push((name.value, value.value));
    }
    all
}

/// `credentials = { crm = { bearer = "…" } }`
fn read_credentials(section: &Section<'_>) -> Vec<CredentialConfig> {
    let Some(credentials) = section.section("credentials") else { return Vec::new() };
    let mut all = Vec::new();
    for (name, entry) in credentials.entries() {
        let Some(one) = entry.section() else { continue };
        let read = read_credential(&one);
        one.finish();
        let Some((header, value)) = read else { continue };
        let is_legal = header.parse::<HeaderName>().is_ok_and(|it| !RESERVED.contains(&it.as_str()));
        if !is_legal || value.parse::<HeaderValue>().is_err() {
            let message = format!("the credential {:?} makes no header that can be sent", name.value);
            let allowed =
                "a header that is not the connection's or the contract's, and a value without line breaks";
            section.document.error(codes::NOT_ALLOWED, &name.spot, message, allowed);
        }
        all.push(CredentialConfig { name: name.value, header, value });
    }
    all
}

/// Name and value of a credential's header.
fn read_credential(section: &Section<'_>) -> Option<(String, String)> {
    let (bearer, basic) = (section.entry("bearer"), section.section("basic"));
    let (header, value) = (section.text("header"), section.entry("value"));
    let authorization = |value: String| Some(("authorization".to_owned(), value));
    match (bearer, basic, header, value) {
        (Some(token), None, None, None) => authorization(format!("Bearer {}", token.secret()?.value)),
        (None, Some(basic), None, None) => {
            let user = basic.required_text("user", "the user's name").value;
            let password = basic.entry("password").map(|it| it.secret());
            if password.is_none() {
                basic.missing("password", "best as \"file:/path\"");
            }
            basic.finish();
            let login = format!("{user}:{}", password??.value);
            authorization(format!("Basic {}", STANDARD.encode(login)))
        }
        (None, None, Some(header), Some(value)) => Some((header.value, value.secret()?.value)),
        _ => {
            let message = format!("{:?} is none of the kinds of credentials", section.spot.path);
            let allowed = "allowed: bearer = \"…\"; basic = { user = \"…\", password = \"…\" }; header = \"…\" with value = \"…\"";
            section.document.error(codes::CONFLICT, &section.spot, message, allowed);
            None
        }
    }
}

fn read_secrets(section: &Section<'_>) -> Vec<Vec<u8>> {
    let Some(sign) = section.section("sign") else { return Vec::new() };
    let newest = sign.entry("secret").map(|it| it.secret());
    if newest.is_none() {
        sign.missing("secret", "a secret shared with the receiver, best as \"file:/path\"");
    }
    // While a secret is being replaced, receivers accept either signature.
    let older = sign.secret("previous");
    sign.finish();
    newest.flatten().into_iter().chain(older).map(|it| decode(section, &it)).collect()
}

fn decode(section: &Section<'_>, secret: &Text) -> Vec<u8> {
    let Some(encoded) = secret.value.strip_prefix("whsec_") else { return secret.value.clone().into_bytes() };
    STANDARD.decode(encoded).unwrap_or_else(|_| {
        let message = "this secret begins with whsec_, and what follows is not base64".to_owned();
        section.document.error(codes::NOT_ALLOWED, &secret.spot, message, "");
        Vec::new()
    })
}
