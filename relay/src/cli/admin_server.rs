//! The running relay that a command speaks to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;

use super::config_file::ConfigFile;
use super::{Exit, Failure};

/// The running relay that a command speaks to.
#[derive(Debug, Args)]
pub(super) struct AdminServer {
    #[command(flatten)]
    file: ConfigFile,
    /// The relay's admin server; by default [admin] listen of the configuration.
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
}

impl AdminServer {
    /// Where to dial.
    pub(super) fn address(&self) -> Result<SocketAddr, Failure> {
        if let Some(admin) = self.admin {
            return Ok(reachable(admin));
        }
        self.file.load()?.admin.listen.map(reachable).ok_or_else(|| {
            let what = "the configuration turns the admin server off, by which a running relay is asked";
            let remedy = "set [admin] listen and start the relay again, or name its address with --admin";
            Failure::coded(Exit::Environment, "C046", what.to_owned(), remedy)
        })
    }
}

/// Where to dial what listens everywhere.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
