//! Makes the folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{TemplateError, file, language, lock, name, sdk};
use crate::plugin::build::Language;

const MANIFEST: &str = include_str!("rust/Cargo.toml.txt");
const SOURCE: &str = include_str!("rust/lib.rs.txt");
const CASES: &str = include_str!("rust/cases.toml.txt");
const README: &str = include_str!("rust/README.md.txt");
const TOOLCHAIN: &str = include_str!("../../../../rust-toolchain.toml");

/// What README says of a copy of the SDK.
const ABOUT_COPY: &str = "
`sdk/` is the plugin SDK as it was in the `relay` that made this folder, so that the plugin builds wherever it is
taken; commit it with the plugin. A newer one: `relay plugin new` with a newer relay, and take its `sdk/`.
";

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The folder.
    pub dir: PathBuf,
    /// The plugin's name.
    pub name: String,
    /// Where its SDK is.
    pub sdk: Sdk,
}

/// Where a plugin's SDK is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// A copy of its own, in `sdk`.
    Copied,
    /// In this folder, for all plugins that use it.
    At(PathBuf),
    /// One file beside the plugin.
    OfLanguage(Language),
}

/// Makes a plugin in `dir`, called as the folder, in `language`. For Rust, `sdk` names the folder of an SDK; without it the one of the clone
/// of the project around `dir` is used, and outside of any the plugin gets a copy.
///
/// # Errors
/// When the name is none for a crate, the folder is not empty or can't be written, or `sdk` holds no SDK.
pub fn create(dir: &Path, language: Language, sdk: Option<&Path>) -> Result<Created, TemplateError> {
    let called = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name::check(&called)?;
    if !file::is_free(dir) {
        return Err(TemplateError::Taken { dir: dir.to_owned() });
    }
    if language == Language::Rust {
        return in_rust(dir, called, sdk);
    }
    if let Some(path) = sdk {
        return Err(TemplateError::OnlyForRust { path: path.to_owned() });
    }
    language::write(dir, &called, language)?;
    Ok(Created { dir: dir.to_owned(), name: called, sdk: Sdk::OfLanguage(language) })
}

fn in_rust(dir: &Path, called: String, sdk: Option<&Path>) -> Result<Created, TemplateError> {
    let sdk = match sdk {
        Some(path) => Sdk::At(named_sdk(path)?),
        None => surrounding_sdk(dir).map_or(Sdk::Copied, Sdk::At),
    };
    let place = match &sdk {
        Sdk::At(path) => path.display().to_string(),
        Sdk::Copied | Sdk::OfLanguage(_) => "sdk".to_owned(),
    };
    if sdk == Sdk::Copied {
        sdk::write(&dir.join("sdk"))?;
    }
    let about = if sdk == Sdk::Copied { ABOUT_COPY } else { "" };
    let filled = |text: &str| text.replace("{{name}}", &called).replace("{{Name}}", &name::type_of(&called));
    let manifest = dir.join("Cargo.toml");
    file::write(&manifest, &filled(MANIFEST).replace("{{sdk}}", &place))?;
    file::write(&dir.join("src/lib.rs"), &filled(SOURCE))?;
    file::write(&dir.join("cases/orders.toml"), &filled(CASES))?;
    file::write(&dir.join("README.md"), &filled(README).replace("{{sdk}}", about))?;
    file::write(&dir.join(".gitignore"), "/target\n*.wasm\n")?;
    // A member of a workspace has the workspace's lock and toolchain.
    if !stands_alone(dir) {
        if is_member(&manifest) {
            return Ok(Created { dir: dir.to_owned(), name: called, sdk });
        }
        file::write(&manifest, &(filled(MANIFEST).replace("{{sdk}}", &place) + ALONE))?;
    }
    file::write(&dir.join("Cargo.lock"), &lock::lock(&called))?;
    file::write(&dir.join("rust-toolchain.toml"), &toolchain())?;
    Ok(Created { dir: dir.to_owned(), name: called, sdk })
}

/// Takes a crate out of the workspace around it.
const ALONE: &str = "\n# Not a member of the workspace around it.\n[workspace]\n";

/// The compiler that the SDK was tested with, and the target, which rustup then installs by itself.
fn toolchain() -> String {
    let channel = TOOLCHAIN.lines().find(|line| line.starts_with("channel")).unwrap_or_default();
    let targets = TOOLCHAIN.lines().find(|line| line.starts_with("targets")).unwrap_or_default();
    format!("[toolchain]\n{channel}\n{targets}\n")
}

fn named_sdk(path: &Path) -> Result<PathBuf, TemplateError> {
    let no_sdk = || TemplateError::NoSdk { path: path.to_owned() };
    if is_sdk(path) { path.canonicalize().map_err(|_| no_sdk()) } else { Err(no_sdk()) }
}

fn is_sdk(path: &Path) -> bool {
    let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
    manifest.lines().any(|line| line.replace(' ', "") == "name=\"relay-plugin-sdk\"")
}

/// The SDK of the clone of the project that `dir` lies in.
fn surrounding_sdk(dir: &Path) -> Option<PathBuf> {
    folders_around(dir).map(|folder| folder.join("plugin-sdk")).find(|it| is_sdk(it))
}

/// Every folder that `dir` lies in, innermost first; `dir` need not be there.
fn folders_around(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let whole = std::path::absolute(dir).unwrap_or_default();
    let whole = whole.ancestors().skip(1).map(Path::to_owned).collect::<Vec<_>>();
    whole.into_iter()
}

/// Whether no folder around `dir` holds a workspace.
fn stands_alone(dir: &Path) -> bool {
    folders_around(dir).all(|folder| {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        !manifest.lines().any(|line| line.trim() == "[workspace]")
    })
}

/// Whether the workspace around the crate counts it among its members: cargo knows.
fn is_member(manifest: &Path) -> bool {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let asked = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path"])
        .arg(manifest)
        .stdin(Stdio::null())
        .output();
    asked.is_ok_and(|it| it.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_in_the_template_is_filled() {
        let folder = tempfile::tempdir().unwrap();
        let made = create(&folder.path().join("mask-mail"), Language::Rust, None).unwrap();
        assert_eq!((made.name.as_str(), &made.sdk), ("mask-mail", &Sdk::Copied));
        for file in ["Cargo.toml", "src/lib.rs", "cases/orders.toml", "README.md", "rust-toolchain.toml"] {
            let text = std::fs::read_to_string(made.dir.join(file)).unwrap();
            assert!(!text.contains("{{") || file == "src/lib.rs", "{file}: {text}");
            assert!(
                !text.contains("{{name") && !text.contains("{{Name") && !text.contains("{{sdk"),
                "{file}"
            );
        }
        let toolchain = std::fs::read_to_string(made.dir.join("rust-toolchain.toml")).unwrap();
        assert!(
            toolchain.contains("channel = ") && toolchain.contains("wasm32-unknown-unknown"),
            "{toolchain}"
        );
        let source = std::fs::read_to_string(made.dir.join("src/lib.rs")).unwrap();
        assert!(source.contains("struct MaskMail {"), "{source}");
    }

    #[test]
    fn what_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mine")).unwrap();
        std::fs::write(folder.path().join("mine/notes"), "mine").unwrap();
        assert_eq!(create(&folder.path().join("mine"), Language::Rust, None).unwrap_err().code(), "P171");
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        create(&folder.path().join("empty"), Language::Rust, None).unwrap();
    }

    #[test]
    fn an_sdk_that_is_named_must_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = create(&folder.path().join("hello"), Language::Rust, Some(folder.path())).unwrap_err();
        assert_eq!(error.code(), "P172");
        assert!(!folder.path().join("hello").exists());
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("plugin-sdk");
        let made = create(&folder.path().join("hello"), Language::Rust, Some(&sdk)).unwrap();
        assert_eq!(made.sdk, Sdk::At(sdk.canonicalize().unwrap()));
        assert!(!made.dir.join("sdk").exists());
        let error = create(&folder.path().join("other"), Language::Python, Some(&sdk)).unwrap_err();
        assert_eq!(error.code(), "P172");
        assert!(error.to_string().contains("leave --sdk out"), "{error}");
    }
}
