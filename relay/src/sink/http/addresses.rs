//! Which addresses may be dialled.
//!
//! Checked where the connection is made: a name is resolved once, the answers are filtered, and the client
//! connects to one that passed, so a name that changes its address between check and use gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Url, redirect};

/// Longest wait for a connection, so that a host that does not answer at all is told apart from one that was sent
/// the request: only the second may have acted on it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Who may dial an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Anyone.
    Public,
    /// Who may reach the operator's own networks.
    Private,
    /// Nobody: metadata services, this network, groups.
    Never,
}

/// Metadata services of clouds that live outside the link-local range.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The only addresses behind a name are forbidden, or the address given is.
#[derive(Debug, thiserror::Error)]
#[error("ssrf_blocked: {host} is at {address}, which is {why}")]
pub(super) struct Blocked {
    host: String,
    address: IpAddr,
    why: &'static str,
}

/// The name has no address at all.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no address")]
struct NoAddress(String);

/// What may be dialled.
#[derive(Debug, Clone, Copy)]
pub(super) struct AddressFilter {
    pub(super) allow_private: bool,
}

impl AddressFilter {
    /// Checks a URL whose host is an address: the client resolves no name then.
    pub(super) fn check_literal(self, url: &Url) -> Result<(), Blocked> {
        let host = url.host_str().unwrap_or_default();
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(address) => self.check(host, address),
            Err(_) => Ok(()),
        }
    }

    fn check(self, host: &str, address: IpAddr) -> Result<(), Blocked> {
        let why = match reach(address) {
            Reach::Public => return Ok(()),
            Reach::Private if self.allow_private => return Ok(()),
            Reach::Private => "private, and the sink has not allow_private",
            Reach::Never => "never dialled (link-local, metadata service, group or reserved)",
        };
        Err(Blocked { host: host.to_owned(), address, why })
    }

    fn filter(self, host: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Blocked> {
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in found {
            match self.check(host, address.ip()) {
                Ok(()) => allowed.push(address),
                Err(blocked) => refused = Some(blocked),
            }
        }
        match refused {
            Some(blocked) if allowed.is_empty() => Err(blocked),
            _ => Ok(allowed),
        }
    }
}

impl Resolve for AddressFilter {
    fn resolve(&self, name: Name) -> Resolving {
        let filter = *self;
        Box::pin(async move {
            let host = name.as_str();
            // The client puts the URL's port in.
            let found = tokio::net::lookup_host((host, 0)).await?;
            let allowed = filter.filter(host, found)?;
            if allowed.is_empty() {
                return Err(NoAddress(host.to_owned()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// A client that resolves through `filter`, follows nothing, and reads no proxy from the environment.
pub(super) fn client(
    filter: AddressFilter,
    timeout: std::time::Duration,
) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .dns_resolver(filter)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        // The lane decides what is sent again.
        .retry(reqwest::retry::never())
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT.min(timeout / 2))
        .tcp_nodelay(true)
        .user_agent(concat!("relay/", env!("CARGO_PKG_VERSION")))
        .build()
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => reach_v4(inner),
            None => reach_v6(address),
        },
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    if address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || a == 0
        || a >= 240
        || METADATA_V4.contains(&address)
    {
        return Reach::Never;
    }
    let carrier = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    let protocols = a == 192 && b == 0 && c == 0;
    if address.is_private() || address.is_loopback() || carrier || benchmark || protocols {
        return Reach::Private;
    }
    Reach::Public
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address == METADATA_V6
    {
        return Reach::Never;
    }
    let site_local = address.segments()[0] & 0xffc0 == 0xfec0;
    if address.is_loopback() || address.is_unique_local() || site_local {
        return Reach::Private;
    }
    Reach::Public
}

/// The IPv4 address that a mapped, compatible, NAT64 or 6to4 address leads to.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let from = |high: u16, low: u16| {
        let [h1, h2] = high.to_be_bytes();
        let [l1, l2] = low.to_be_bytes();
        Ipv4Addr::new(h1, h2, l1, l2)
    };
    match (a, b) {
        (0, 0) if (c, d, e) == (0, 0, 0) && f == 0xffff => Some(from(g, h)),
        // Compatible addresses; `::` and `::1` are addresses of their own.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0) && (g, h) > (0, 1) => Some(from(g, h)),
        (0x64, 0xff9b) => Some(from(g, h)),
        (0x2002, high) => Some(from(high, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sorted_by_who_may_dial_them() {
        use Reach::{Never, Private, Public};
        let table = [
            ("93.184.216.34", Public),
            ("2606:4700::1111", Public),
            ("10.1.2.3", Private),
            ("172.31.0.1", Private),
            ("172.32.0.1", Public),
            ("192.168.0.1", Private),
            ("127.0.0.1", Private),
            ("100.64.0.1", Private),
            ("::1", Private),
            ("fd12::1", Private),
            ("::ffff:10.0.0.1", Private),
            ("169.254.169.254", Never),
            ("::ffff:169.254.169.254", Never),
            ("64:ff9b::a9fe:a9fe", Never),
            ("2002:a9fe:a9fe::", Never),
            ("fd00:ec2::254", Never),
            ("100.100.100.200", Never),
            ("168.63.129.16", Never),
            ("fe80::1", Never),
            ("224.0.0.1", Never),
            ("ff02::1", Never),
            ("0.0.0.0", Never),
            ("::", Never),
            ("255.255.255.255", Never),
        ];
        for (address, expected) in table {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_name_keeps_the_addresses_that_pass() {
        let filter = AddressFilter { allow_private: false };
        let found: Vec<SocketAddr> = ["169.254.169.254:0", "8.8.8.8:0"].map(|it| it.parse().unwrap()).into();
        assert_eq!(filter.filter("a", found.iter().copied()).unwrap(), found[1..]);
        assert!(filter.filter("a", found[..1].iter().copied()).is_err());
    }

    #[test]
    fn literals_are_checked_as_the_url_parser_reads_them() {
        let filter = AddressFilter { allow_private: false };
        for url in ["http://0xa9fea9fe/", "http://2852039166/", "http://[::ffff:127.0.0.1]/", "http://127.1/"]
        {
            assert!(filter.check_literal(&url.parse().unwrap()).is_err(), "{url}");
        }
        let filter = AddressFilter { allow_private: true };
        assert!(filter.check_literal(&"http://127.0.0.1:1/".parse().unwrap()).is_ok());
        assert!(filter.check_literal(&"http://169.254.169.254/".parse().unwrap()).is_err());
    }
}
