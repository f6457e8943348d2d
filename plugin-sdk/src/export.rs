//! What `export!` expands to: a plugin's instance behind the functions the relay calls.

use std::cell::RefCell;

use crate::bindings::exports::relay::plugin::transform as guest;
use crate::bindings::relay::plugin::types;
use crate::verdict::lower;
use crate::{Event, Plugin, config};

/// What a plugin's package says about it.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its description, one sentence.
    pub description: &'static str,
}

/// A plugin's only instance in this component, once it is configured.
#[derive(Debug)]
pub struct Running<P>(RefCell<Option<P>>);

impl<P: Plugin> Running<P> {
    /// Not configured yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// What the plugin says about itself.
    #[must_use]
    pub fn describe(package: Package) -> guest::Description {
        guest::Description {
            name: package.name.to_owned(),
            version: package.version.to_owned(),
            summary: package.description.to_owned(),
            config_schema: config::described::<P::Config>(),
        }
    }

    /// Takes the configuration, a JSON text, and makes the instance.
    ///
    /// # Errors
    /// Every problem found, each with its place.
    pub fn configure(&self, config: &str) -> Result<(), Vec<guest::Problem>> {
        report_panics();
        let config = config::read(config)?;
        let plugin = P::new(config).map_err(config::Problem::into_list)?;
        *self.0.borrow_mut() = Some(plugin);
        Ok(())
    }

    /// Answers for a batch, one verdict per event, in order.
    #[must_use]
    pub fn transform(&self, batch: Vec<types::Event>) -> Vec<types::Verdict> {
        let mut running = self.0.borrow_mut();
        let Some(plugin) = running.as_mut() else {
            let unconfigured = || types::Verdict::Halt("transform was called before configure".to_owned());
            return batch.iter().map(|_| unconfigured()).collect();
        };
        let events = (0..).zip(batch).map(|(index, row)| Event::of_batch(row, index));
        events.map(|event| lower(plugin.transform(&event))).collect()
    }
}

impl<P: Plugin> Default for Running<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// A trap alone says nothing: put the panic's place and words into the relay's log first.
fn report_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| crate::log::write(crate::log::Level::Error, panic)));
}

/// Makes the crate a plugin: exports `$plugin` to the relay. Natively it expands to nothing, so that the crate
/// can be tested with `cargo test`.
///
/// The plugin's name, version and summary are those of its `Cargo.toml`.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            thread_local! {
                static RUNNING: $crate::__private::Running<$plugin> =
                    const { $crate::__private::Running::new() };
            }

            struct Component;

            impl $crate::__private::bindings::exports::relay::plugin::transform::Guest for Component {
                fn describe() -> $crate::__private::bindings::exports::relay::plugin::transform::Description {
                    $crate::__private::Running::<$plugin>::describe($crate::__private::Package {
                        name: env!("CARGO_PKG_NAME"),
                        version: env!("CARGO_PKG_VERSION"),
                        description: env!("CARGO_PKG_DESCRIPTION"),
                    })
                }

                fn configure(
                    config: ::std::string::String,
                ) -> ::std::result::Result<
                    (),
                    ::std::vec::Vec<$crate::__private::bindings::exports::relay::plugin::transform::Problem>,
                > {
                    RUNNING.with(|running| running.configure(&config))
                }

                fn transform(
                    batch: ::std::vec::Vec<$crate::__private::bindings::relay::plugin::types::Event>,
                ) -> ::std::vec::Vec<$crate::__private::bindings::relay::plugin::types::Verdict> {
                    RUNNING.with(|running| running.transform(batch))
                }
            }

    $crate::__private::bindings::export!(Component with_types_in $crate::__private::bindings);
        };
    };
}
