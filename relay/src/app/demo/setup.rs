//! What the demo runs on: a temporary folder with an outbox, two built plugins and a configuration.

use std::path::{Path, PathBuf};

use crate::app::AppError;
use crate::app::temporary::TemporaryFolder;
use crate::plugin::build;

/// How the name of the demo's folder begins.
const PREFIX: &str = "relay-demo-";

/// A folder that goes with the demo.
pub(super) struct Setup {
    folder: TemporaryFolder,
    pub(super) database: PathBuf,
    pub(super) config: PathBuf,
    pub(super) admin_port: u16,
    /// Name, version-less short digest and size of each plugin.
    pub(super) plugins: Vec<BuiltPlugin>,
}

pub(super) struct BuiltPlugin {
    pub(super) name: &'static str,
    pub(super) component: PathBuf,
    pub(super) size: u64,
}

impl Setup {
    pub(super) async fn prepare(sources: &Path, receiver: u16) -> Result<Self, AppError> {
        let folder =
            TemporaryFolder::new(PREFIX).map_err(|error| unusable("the temporary folder", &error))?;
        let mut plugins = Vec::new();
        for name in ["redact", "router"] {
            plugins.push(build_plugin(sources, name, folder.path()).await?);
        }
        let setup = Self {
            database: folder.path().join("shop.db"),
            config: folder.path().join("relay.toml"),
            admin_port: free_port()?,
            plugins,
            folder,
        };
        std::fs::write(&setup.config, setup.configuration(receiver))
            .map_err(|error| unusable("the configuration", &error))?;
        Ok(setup)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.path().join("relay.log")
    }

    fn configuration(&self, receiver: u16) -> String {
        let Self { database, admin_port, .. } = self;
        let [redact, router] =
            ["redact", "router"].map(|name| self.folder.path().join(name).with_extension("wasm"));
        format!(
            r#"[relay]
cache = "cache"
state = "state"

[source.shop]
type  = "sqlite"
path  = {database:?}
start = "beginning"

[sink.receiver]
type = "http"
url  = "http://127.0.0.1:{receiver}"

[plugin.redact]
component = {redact:?}
config    = {{ remove = ["/customer/email"] }}

[plugin.router]
component = {router:?}
config    = {{ rules = [{{ when = {{ aggregate_type = "order" }}, then = {{ send = [{{ http = "/orders/{{aggregateid}}" }}] }} }}] }}
grant     = {{ receiver = ["/orders"] }}

[pipeline.orders]
source  = "shop"
plugins = ["redact", "router"]
sinks   = ["receiver"]

[admin]
listen = "127.0.0.1:{admin_port}"
"#
        )
    }
}

async fn build_plugin(sources: &Path, name: &'static str, folder: &Path) -> Result<BuiltPlugin, AppError> {
    let source = sources.join(name);
    if !source.join("Cargo.toml").is_file() {
        return Err(AppError::Refused {
            code: "C043",
            what: format!(
                "the demo builds the plugin {name} from source, and {} does not hold it",
                source.display()
            ),
            remedy: "run it as ./relay/demo in a clone of the project, or name the folder with --plugins"
                .to_owned(),
        });
    }
    let component = folder.join(name).with_extension("wasm");
    let out = component.clone();
    let built = tokio::task::spawn_blocking(move || build::build(&source, Some(&out)));
    let built =
        built.await.map_err(|error| AppError::Disproved(format!("building {name} panicked: {error}")))??;
    Ok(BuiltPlugin { name, component, size: built.size })
}

fn free_port() -> Result<u16, AppError> {
    let listener =
        std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|error| unusable("a local port", &error))?;
    listener.local_addr().map(|it| it.port()).map_err(|error| unusable("a local port", &error))
}

pub(super) fn unusable(what: &str, error: &dyn std::error::Error) -> AppError {
    AppError::Refused {
        code: "C043",
        what: format!("the demo can't use {what}: {error}"),
        remedy: "give it a writable temporary folder (TMPDIR) and loopback ports".to_owned(),
    }
}
