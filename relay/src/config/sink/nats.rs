//! `type = "nats"`

use std::time::Duration;

use crate::config::codes;
use crate::config::section::Section;
use crate::sink::nats::NatsSinkConfig;

/// Publishes on the wire: enough for a server 10 ms away at 100,000 messages a second.
const IN_FLIGHT: usize = 1024;
/// Twice what an election of a new stream leader usually takes.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

pub(in crate::config) fn read(name: &str, section: &Section<'_>) -> NatsSinkConfig {
    let user = section.text("user");
    let password = section.secret("password");
    let token = section.secret("token");
    let credentials = section.text("credentials");
    let ways = [user.is_some(), token.is_some(), credentials.is_some()];
    if ways.into_iter().filter(|it| *it).count() > 1 {
        let message = format!("{:?} has more than one way to sign in", section.spot.path);
        section.document.error(
            codes::CONFLICT,
            &section.spot,
            message,
            "allowed: user and password, token, or credentials",
        );
    }
    if user.is_some() != password.is_some() {
        let (there, missing) = if user.is_some() { ("user", "password") } else { ("password", "user") };
        section.missing(missing, &format!("{there:?} is there, and neither works alone"));
    }
    NatsSinkConfig {
        name: name.to_owned(),
        servers: read_servers(section),
        login: user.zip(password).map(|(user, password)| (user.value, password.value)),
        token: token.map(|it| it.value),
        credentials: credentials.map(|it| section.document.resolve(&it.value)),
        in_flight: section.count("in_flight", IN_FLIGHT, 1..=65_536),
        ack_timeout: section.duration(
            "ack_timeout",
            ACK_TIMEOUT,
            Duration::from_millis(100)..=Duration::from_secs(600),
        ),
    }
}

fn read_servers(section: &Section<'_>) -> Vec<String> {
    let servers = section.texts("servers");
    if servers.is_empty() {
        section.missing("servers", "at least one of the cluster, as in [\"nats://localhost:4222\"]");
    }
    for server in &servers {
        let rest = server.value.strip_prefix("nats://").or_else(|| server.value.strip_prefix("tls://"));
        if rest.is_none_or(|it| it.is_empty() || it.contains('/')) {
            let message = "this is not the address of a NATS server".to_owned();
            section.document.error(
                codes::ADDRESS,
                &server.spot,
                message,
                "allowed: nats://host:port or tls://host:port",
            );
        } else if rest.is_some_and(|it| it.contains('@')) {
            let message = "a server's address holds no credentials".to_owned();
            let allowed = "allowed: user and password, token, or credentials as keys of the sink";
            section.document.error(codes::ADDRESS, &server.spot, message, allowed);
        }
    }
    servers.into_iter().map(|it| it.value).collect()
}
