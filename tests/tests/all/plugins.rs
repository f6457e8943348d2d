//! The plugins of this repository, as components.

use std::path::{Path, PathBuf};

use relay::plugin::build::{self, Built};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn build_into(folder: &Path, plugin: &str) -> Built {
    let out = folder.join(format!("{plugin}.wasm"));
    build::build(&repository().join("plugins").join(plugin), Some(&out)).unwrap()
}

#[test]
fn every_plugin_builds_from_source_to_a_small_component() {
    let folder = tempfile::tempdir().unwrap();
    for plugin in ["router"] {
        let built = build_into(folder.path(), plugin);
        println!("{plugin}: {} KB in {:?}", built.size / 1024, built.duration);
        assert_eq!(built.size, std::fs::metadata(&built.component).unwrap().len());
    }
}
