//! `[admin]`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::codes;
use super::model::AdminConfig;
use super::section::Section;

/// Metrics name pipelines and sinks, so they are this machine's alone unless an operator says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

pub(super) fn read(root: &Section<'_>) -> AdminConfig {
    let standard = AdminConfig { listen: Some(LISTEN), tap: false, control: true };
    let Some(section) = root.section("admin") else { return standard };
    let listen = section.text("listen");
    // Payloads leave the relay for its sinks alone unless an operator says otherwise.
    let tap = section.flag("tap", standard.tap);
    let control = section.flag("control", standard.control);
    section.finish();
    let Some(text) = listen else { return AdminConfig { tap, control, ..standard } };
    if text.value == "off" {
        return AdminConfig { listen: None, tap, control };
    }
    let listen = text.value.parse().ok();
    if listen.is_none() {
        let message = format!("{:?} is not an address to listen at", text.value);
        root.document.error(
            codes::ADDRESS,
            &text.spot,
            message,
            "allowed: \"off\", or IP:port as in \"0.0.0.0:9464\"",
        );
    }
    AdminConfig { listen, tap, control }
}
