//! From a message to a request.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use relay_engine::message::MessageRef;
use relay_engine::outcome::{Failure, FailureClass};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};

use super::config::{HttpSinkConfig, RESERVED};
use super::signature::sign;
use crate::sink::SentHeader;

/// The sink's own settings are wrong.
const SETTINGS: &str = "S211";
/// A header that HTTP or the contract forbids.
const HEADER: &str = "S221";
/// A path or method that makes no request below the sink's URL.
const ADDRESS: &str = "S223";

/// A credential that the sink does not have.
const CREDENTIAL: &str = "S224";

/// Headers whose values depend on when a request is sent.
const MADE_WHILE_SENT: [&str; 2] = ["webhook-signature", "webhook-timestamp"];

/// Makes requests of messages.
#[derive(Debug)]
pub(super) struct RequestMaker {
    base: Url,
    method: Method,
    headers: HeaderMap,
    credentials: Vec<(String, HeaderName, HeaderValue)>,
    secrets: Vec<Vec<u8>>,
}

/// A request, and how errors name it: method and path, without the query, which may hold secrets.
#[derive(Debug)]
pub(super) struct NamedRequest {
    pub(super) request: Request,
    pub(super) name: String,
}

impl RequestMaker {
    /// Reads the sink's settings.
    pub(super) fn new(config: &HttpSinkConfig) -> Result<Self, Failure> {
        let wrong = |detail: String| Failure::new(FailureClass::Unavailable, SETTINGS, detail);
        let base = Url::parse(&config.url).map_err(|error| wrong(format!("the sink's URL: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong("the sink's URL is neither http nor https".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("the sink's URL holds a login: give it as a header".to_owned()));
        }
        let method =
            method(&config.method).ok_or_else(|| wrong(format!("{:?} is no method", config.method)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            // The value may be a secret, so only the name is shown.
            let (name, value) = header(name, value.as_bytes())
                .ok_or_else(|| wrong(format!("the sink's header {name:?} is not a legal header")))?;
            headers.append(name, value);
        }
        let mut credentials = Vec::with_capacity(config.credentials.len());
        for it in &config.credentials {
            let (header, mut value) = header(&it.header, it.value.as_bytes())
                .ok_or_else(|| wrong(format!("the sink's credential {:?} makes no legal header", it.name)))?;
            value.set_sensitive(true);
            credentials.push((it.name.clone(), header, value));
        }
        Ok(Self { base, method, headers, credentials, secrets: config.secrets.clone() })
    }

    /// The sink's URL.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The request for `message`, signed for a send at `now`. A failure is the message's own.
    pub(super) fn request(&self, message: MessageRef<'_>, now: SystemTime) -> Result<NamedRequest, Failure> {
        let url = self.url(message.place())?;
        let method = match message.method() {
            Some(own) => method(own).ok_or_else(|| refused(ADDRESS, format!("{own:?} is no method")))?,
            None => self.method.clone(),
        };
        let name = format!("{method} {}", url.path());
        let body = message.body().unwrap_or_default();
        let mut request = Request::new(method, url);
        *request.headers_mut() = self.headers_of(message, body, now)?;
        *request.body_mut() = Some(Bytes::copy_from_slice(body).into());
        Ok(NamedRequest { request, name })
    }

    /// The sink's URL with `place` appended; never outside it.
    fn url(&self, place: &str) -> Result<Url, Failure> {
        let outside = || refused(ADDRESS, format!("{place:?} does not stay below the sink's URL"));
        let mut base = self.base.clone();
        base.set_query(None);
        base.set_fragment(None);
        let root = base.as_str().trim_end_matches('/');
        let separator = if place.is_empty() || place.starts_with(['/', '?']) { "" } else { "/" };
        let url = Url::parse(&format!("{root}{separator}{place}")).map_err(|_| outside())?;
        // `..` was resolved by the parser.
        let prefix = base.path().trim_end_matches('/');
        let below = url.path().strip_prefix(prefix).is_some_and(|it| it.is_empty() || it.starts_with('/'));
        if url.origin() != base.origin() || !below {
            return Err(outside());
        }
        Ok(url)
    }

    /// The headers of the request for `message`, for people: the operator's, which may be credentials, and what
    /// depends on the time of sending without their values. `None` where there is no request for it.
    pub(super) fn shown_headers(&self, message: MessageRef<'_>) -> Option<Vec<SentHeader>> {
        let body = message.body().unwrap_or_default();
        let headers = self.headers_of(message, body, UNIX_EPOCH).ok()?;
        let shown = headers.iter().map(|(name, value)| {
            let of_sending = MADE_WHILE_SENT.contains(&name.as_str());
            let is_secret =
                self.headers.contains_key(name) || self.credentials.iter().any(|it| it.1 == *name);
            if of_sending || is_secret {
                SentHeader::hidden(name.as_str())
            } else {
                SentHeader::shown(name.as_str(), value.as_bytes())
            }
        });
        Some(shown.collect())
    }

    fn headers_of(
        &self,
        message: MessageRef<'_>,
        body: &[u8],
        now: SystemTime,
    ) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in message.headers() {
            let (legal, value) = header(name, value)
                .ok_or_else(|| refused(HEADER, format!("{name:?} is not a legal HTTP header")))?;
            if RESERVED.contains(&legal.as_str()) {
                return Err(refused(HEADER, format!("the header {name:?} is not a message's to set")));
            }
            headers.append(legal, value);
        }
        if !headers.contains_key(CONTENT_TYPE) {
            let kind = message.event().content_type().unwrap_or("application/json");
            let kind = HeaderValue::from_str(kind)
                .map_err(|_| refused(HEADER, "the content type is not a legal header".to_owned()))?;
            headers.insert(CONTENT_TYPE, kind);
        }
        // The operator's headers, credentials among them, win over a plugin's.
        for name in self.headers.keys() {
            headers.remove(name);
            for value in self.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if let Some(name) = message.auth() {
            let (header, value) = self.credential(name)?;
            headers.insert(header, value);
        }
        self.add_webhook_headers(&mut headers, message, body, now)?;
        Ok(headers)
    }

    fn credential(&self, name: &str) -> Result<(HeaderName, HeaderValue), Failure> {
        let found = self.credentials.iter().find(|(own, ..)| own == name);
        found.map(|(_, header, value)| (header.clone(), value.clone())).ok_or_else(|| {
            let known = self.credentials.iter().map(|(own, ..)| own.as_str()).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            refused(CREDENTIAL, format!("the sink has no credential {name:?}; it has: {known}"))
        })
    }

    fn add_webhook_headers(
        &self,
        headers: &mut HeaderMap,
        message: MessageRef<'_>,
        body: &[u8],
        now: SystemTime,
    ) -> Result<(), Failure> {
        let mut id = String::new();
        message.write_idempotency_key(&mut id);
        let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let signature = sign(&self.secrets, &id, &timestamp, body);
        let values = [
            ("webhook-id", Some(id)),
            ("webhook-timestamp", Some(timestamp)),
            ("webhook-signature", signature),
        ];
        for (name, value) in values {
            let Some(value) = value else { continue };
            let value = HeaderValue::try_from(value)
                .map_err(|_| refused(HEADER, format!("the event's id makes no legal {name}")))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(())
    }
}

fn method(name: &str) -> Option<Method> {
    // CONNECT asks a proxy for a tunnel and has no path.
    Method::from_bytes(name.as_bytes()).ok().filter(|it| *it != Method::CONNECT)
}

fn header(name: &str, value: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let value = HeaderValue::from_bytes(value).ok()?;
    Some((name, value))
}

fn refused(code: &'static str, detail: String) -> Failure {
    Failure::new(FailureClass::Permanent, code, detail)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use relay_engine::event::{EventBatch, EventFields};
    use relay_engine::message::{Address, Content, Message, MessageBatch};

    use super::super::config::CredentialConfig;
    use super::*;

    fn config(url: &str) -> HttpSinkConfig {
        HttpSinkConfig {
            name: "billing".to_owned(),
            url: url.to_owned(),
            method: "POST".to_owned(),
            headers: vec![("authorization".to_owned(), "Bearer secret".to_owned())],
            credentials: Vec::new(),
            secrets: Vec::new(),
            concurrency: 1,
            timeout: Duration::from_secs(1),
            allow_private: false,
            conflict_is_success: false,
        }
    }

    fn batch(place: &str, headers: &[(&str, &str)]) -> MessageBatch {
        batch_with(place, headers, None)
    }

    fn batch_with(place: &str, headers: &[(&str, &str)], auth: Option<&str>) -> MessageBatch {
        let mut events = EventBatch::default();
        events.push(&EventFields { id: "01", payload: Some(b"{}"), ..EventFields::default() }).unwrap();
        let mut batch = MessageBatch::new("p".into(), Arc::new(events));
        let own = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let message = Message {
            slot: "0".to_owned(),
            address: Address { place: place.to_owned(), auth: auth.map(str::to_owned), ..Address::default() },
            key: Content::Unchanged,
            body: Content::Unchanged,
            inherit_headers: true,
            headers: own.collect(),
        };
        batch.push_event([&message]).unwrap();
        batch
    }

    fn request(url: &str, place: &str, headers: &[(&str, &str)]) -> Result<Request, Failure> {
        let maker = RequestMaker::new(&config(url)).unwrap();
        let batch = batch(place, headers);
        maker.request(batch.get(0).unwrap(), UNIX_EPOCH).map(|it| it.request)
    }

    #[test]
    fn an_address_is_appended_to_the_url_and_cannot_leave_it() {
        let good = [
            ("http://a/hooks", "/invoices", "http://a/hooks/invoices"),
            ("http://a/hooks/", "invoices?x=1", "http://a/hooks/invoices?x=1"),
            ("http://a", "", "http://a/"),
            ("http://a/hooks", "", "http://a/hooks"),
            ("http://a/hooks", "@evil/x", "http://a/hooks/@evil/x"),
            ("http://a", "//evil/x", "http://a//evil/x"),
            ("http://a", ":80@evil/", "http://a/:80@evil/"),
        ];
        for (url, place, expected) in good {
            assert_eq!(request(url, place, &[]).unwrap().url().as_str(), expected);
        }
        for place in ["/../admin", "/%2e%2e/admin", "/..\\admin", "/../hooks-2"] {
            let failure = request("http://a/hooks", place, &[]).unwrap_err();
            assert_eq!((failure.class, failure.code.as_ref()), (FailureClass::Permanent, "S223"), "{place}");
        }
    }

    #[test]
    fn headers_that_are_not_a_messages_to_set_make_it_fail() {
        let bad =
            [("Host", "b"), ("content-length", "9"), ("Webhook-Id", "x"), ("a b", "x"), ("x", "a\r\nb: c")];
        for header in bad {
            let failure = request("http://a", "/", &[header]).unwrap_err();
            assert_eq!(
                (failure.class, failure.code.as_ref()),
                (FailureClass::Permanent, "S221"),
                "{header:?}"
            );
        }
    }

    #[test]
    fn the_operators_headers_win_and_the_content_type_has_a_default() {
        let made = request("http://a", "/", &[("Authorization", "mine"), ("x-tenant", "blue")]).unwrap();
        assert_eq!(made.headers().get_all("authorization").iter().count(), 1);
        assert_eq!(made.headers()["authorization"], "Bearer secret");
        assert_eq!(made.headers()["x-tenant"], "blue");
        assert_eq!(made.headers()["content-type"], "application/json");
        assert_eq!(made.headers()["webhook-id"], "p/01/0");
        assert_eq!(made.headers()["webhook-timestamp"], "0");
        assert!(!made.headers().contains_key("webhook-signature"));
    }

    #[test]
    fn headers_are_shown_as_they_are_sent_and_credentials_only_by_name() {
        let signing = HttpSinkConfig { secrets: vec![b"whsec".to_vec()], ..config("http://a") };
        let maker = RequestMaker::new(&signing).unwrap();
        let batch = batch("/", &[("X-Tenant", "blue")]);
        let message = batch.get(0).unwrap();
        let shown = maker.shown_headers(message).unwrap();
        let sent = maker.request(message, UNIX_EPOCH).unwrap().request;
        assert_eq!(shown.len(), sent.headers().len());
        for header in shown {
            let hidden = ["authorization", "webhook-timestamp", "webhook-signature"];
            let value = sent.headers()[&header.name].as_bytes().to_vec();
            let expected = (!hidden.contains(&header.name.as_str())).then_some(value);
            assert_eq!(header.value, expected, "{}", header.name);
        }
    }

    #[test]
    fn a_credential_goes_with_the_message_that_names_it_and_is_never_shown() {
        let credential = |name: &str, header: &str, value: &str| CredentialConfig {
            name: name.to_owned(),
            header: header.to_owned(),
            value: value.to_owned(),
        };
        let credentials =
            vec![credential("crm", "authorization", "Bearer crm"), credential("key", "x-key", "hunter2")];
        let maker = RequestMaker::new(&HttpSinkConfig { credentials, ..config("http://a") }).unwrap();
        let made = |auth: Option<&str>| {
            // A plugin's own header of that name is replaced, and so is the operator's.
            let batch = batch_with("/", &[("X-Key", "mine")], auth);
            let message = batch.get(0).unwrap();
            let shown = maker.shown_headers(message);
            maker.request(message, UNIX_EPOCH).map(|it| (it.request.headers().clone(), shown.unwrap()))
        };
        let (sent, _) = made(Some("crm")).unwrap();
        assert_eq!(
            (&sent["authorization"], &sent["x-key"]),
            (&"Bearer crm".parse().unwrap(), &"mine".parse().unwrap())
        );
        let (sent, shown) = made(Some("key")).unwrap();
        assert_eq!(sent.get_all("x-key").iter().collect::<Vec<_>>(), ["hunter2"]);
        assert_eq!(sent["authorization"], "Bearer secret");
        assert!(shown.iter().find(|it| it.name == "x-key").unwrap().value.is_none());
        let failure = made(Some("bank")).unwrap_err();
        assert_eq!((failure.class, failure.code.as_ref()), (FailureClass::Permanent, "S224"));
        assert!(failure.detail.contains("it has: crm, key"), "{}", failure.detail);
    }

    #[test]
    fn settings_that_make_no_request_are_refused_without_showing_secrets() {
        for url in ["ftp://a", "http://user:pw@a", "not a url", "data:x"] {
            assert_eq!(RequestMaker::new(&config(url)).unwrap_err().code, "S211", "{url}");
        }
        let mut bad = config("http://a");
        bad.headers = vec![("x".to_owned(), "se\ncret".to_owned())];
        assert!(!RequestMaker::new(&bad).unwrap_err().detail.contains("cret"));
    }
}
