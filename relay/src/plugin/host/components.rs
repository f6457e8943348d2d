//! From a component's bytes to one that can be linked: cached, or compiled and cached.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::{CompileCache, Found, Key};
use super::compiler::{CompileError, Compiler};
use super::config::{COMPILE, HostConfig, SOURCE_LINES};
use super::load::Refusal;
use super::native;

/// How every WebAssembly binary starts.
const MAGIC: &[u8] = b"\0asm";

/// What follows in a core module.
const CORE_MODULE: [u8; 4] = [1, 0, 0, 0];

/// Makes components ready to link.
#[derive(Debug)]
pub(super) struct Components {
    cache: Option<CompileCache>,
    compiler: Compiler,
    has_warned: AtomicBool,
    /// Whether somebody waits for each component, or events flow meanwhile.
    stands_back: AtomicBool,
    given_up: AtomicBool,
}

impl Components {
    pub(super) fn new(config: &HostConfig) -> Self {
        let compiler = match &config.compiler {
            Some(program) if config.source_lines => {
                Compiler::process(program.clone(), &[COMPILE, &[SOURCE_LINES]].concat())
            }
            Some(program) => Compiler::process(program.clone(), COMPILE),
            None => Compiler::Here,
        };
        let mut components = Self {
            cache: None,
            compiler,
            has_warned: AtomicBool::new(false),
            stands_back: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        };
        if let Some(folder) = &config.cache {
            components.cache = CompileCache::open(folder).map_err(|why| components.warn(&why)).ok();
        }
        components
    }

    /// From now on events flow, and go before the compiler.
    pub(super) fn stand_back(&self) {
        self.stands_back.store(true, Ordering::Relaxed);
    }

    /// Nobody waits for components any more.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// The component that `bytes` hold.
    pub(super) fn of(&self, engine: &Engine, bytes: &[u8]) -> Result<Component, Refusal> {
        let Some(cache) = &self.cache else { return loaded(engine, &self.compile(engine, bytes)?) };
        let key = Key::of(engine, bytes);
        match cache.find(engine, &key) {
            Found::Component(component) => return Ok(*component),
            Found::Nothing => {}
            Found::Unusable(path, why) => {
                self.warn(&format!("{} is not used: {why}", path.display()));
                cache.discard(&path);
            }
        }
        let code = self.compile(engine, bytes)?;
        // Before it is stored: code that this engine does not take would be a damaged file to the next start.
        let component = loaded(engine, &code)?;
        if let Err(why) = cache.store(&key, &code) {
            self.warn(&why);
            return Ok(component);
        }
        drop((component, code));
        match cache.find(engine, &key) {
            // Its pages are the file's, not the relay's own.
            Found::Component(component) => Ok(*component),
            Found::Nothing | Found::Unusable(..) => loaded(engine, &self.compile(engine, bytes)?),
        }
    }

    fn compile(&self, engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        let start = Instant::now();
        let behind_lanes = self.stands_back.load(Ordering::Relaxed);
        let mut compiled = self.compiler.compile(engine, bytes, behind_lanes, &self.given_up);
        if let Err(CompileError::NotStarted(error)) = &compiled {
            tracing::info!(
                %error,
                "no process can be started to compile in: this one compiles, on all cores and beside the lanes"
            );
            compiled = Compiler::Here.compile(engine, bytes, behind_lanes, &self.given_up);
        }
        tracing::debug!(took = ?start.elapsed(), bytes = bytes.len(), "compiled a component");
        compiled.map_err(not_compiled)
    }

    /// The first trouble is told; every further one is of the same kind, and there may be one per plugin.
    fn warn(&self, why: &str) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "P113: plugins are compiled at every start, because the compile cache can't be used: {why}"
            );
        }
    }
}

fn loaded(engine: &Engine, code: &[u8]) -> Result<Component, Refusal> {
    native::from_bytes(engine, code).map_err(|error| Refusal {
        code: "P114",
        what: format!("it does not fit the relay's engine: {error:#}"),
        remedy: "build it with fewer or smaller memories, tables and modules; see relay explain P114"
            .to_owned(),
    })
}

/// Whether `bytes` begin as a component does.
pub(super) fn is_component(bytes: &[u8]) -> Result<(), Refusal> {
    let head = bytes.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk::<4>());
    match head {
        None => Err(Refusal {
            code: "P101",
            what: format!("the file ({} bytes) is not WebAssembly", bytes.len()),
            remedy: "give the path of a component, such as `relay plugin build` makes".to_owned(),
        }),
        Some(&CORE_MODULE) => Err(Refusal {
            code: "P102",
            what: "the file is a core WebAssembly module, not a component".to_owned(),
            remedy: "build the plugin with `relay plugin build`, which makes a component".to_owned(),
        }),
        Some(_) => Ok(()),
    }
}

fn damaged(why: &str) -> Refusal {
    Refusal {
        code: "P101",
        what: format!("the file is damaged or not complete: {why}"),
        remedy: "build it again, and put it in place by renaming".to_owned(),
    }
}

fn not_compiled(error: CompileError) -> Refusal {
    let why = match error {
        CompileError::Component(why) => return damaged(&why),
        CompileError::Ended(why) => why,
        CompileError::NotStarted(error) => error.to_string(),
    };
    Refusal {
        code: "P112",
        what: format!("it could not be compiled: {why}"),
        remedy: "give the relay more memory if the system ended its compiler, or make the plugin smaller"
            .to_owned(),
    }
}
