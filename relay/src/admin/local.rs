//! Who may ask: people at a terminal of this machine, and not a page in a browser there.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};

/// Headers of requests that somebody else passed on: their sender is not on this machine.
const PASSED_ON: [&str; 3] = ["forwarded", "x-forwarded-for", "via"];

/// Whether a request with `headers` from `peer` may be answered; why not, in words.
pub(super) fn check(peer: SocketAddr, headers: &HeaderMap) -> Result<(), &'static str> {
    let is_local = |ip: IpAddr| ip.to_canonical().is_loopback();
    if !is_local(peer.ip()) || PASSED_ON.iter().any(|name| headers.contains_key(*name)) {
        return Err("the relay answers this to clients on its own machine alone: run the command there");
    }
    // A page sends its origin with what it posts, and with a name of its own that it had resolved to this machine it
    // could read what is answered to it.
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    let is_own = name == "localhost" || name.parse().is_ok_and(is_local);
    if headers.contains_key(header::ORIGIN) || !is_own {
        return Err(
            "the relay answers this to no browser, and to who addresses it as localhost or by its loopback address",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn checked(peer: &str, more: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1:9464".parse().unwrap());
        for (name, value) in more {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        check(peer.parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn only_this_machine_is_answered_and_no_browser_on_it() {
        assert!(
            checked("127.0.0.1:1", &[]) && checked("[::1]:1", &[]) && checked("[::ffff:127.0.0.1]:1", &[])
        );
        assert!(
            checked("127.0.0.1:1", &[("host", "localhost:9464")])
                && checked("127.0.0.1:1", &[("host", "[::1]:9464")])
                && checked("127.0.0.1:1", &[("host", "localhost")])
        );
        assert!(!checked("10.0.0.7:1", &[]));
        assert!(!checked("127.0.0.1:1", &[("x-forwarded-for", "10.0.0.7")]));
        assert!(!checked("127.0.0.1:1", &[("origin", "http://127.0.0.1:9464")]));
        assert!(!checked("127.0.0.1:1", &[("host", "rebound.example:9464")]));
    }
}
