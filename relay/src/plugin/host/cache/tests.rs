//! What the cache promises: nothing that another could have written runs, and no trouble stops the relay.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::super::components::Components;
use super::super::config::{CompileOptions, HostConfig};
use super::super::engine::PluginEngine;
use super::super::testing::{obedient, obedient_version};
use super::prune::prune;
use super::{CompileCache, Found, Key};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder.join("plugins")).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}

/// A cache in `folder` that holds the obedient plugin, whose file is returned.
fn filled(folder: &Path) -> (wasmtime::Engine, CompileCache, Key, PathBuf) {
    let engine = PluginEngine::compiling(CompileOptions::default(), true).unwrap();
    let cache = CompileCache::open(folder).unwrap();
    let key = Key::of(&engine, &obedient());
    cache.store(&key, &engine.precompile_component(&obedient()).unwrap()).unwrap();
    let [file] = &files(folder)[..] else { panic!("not one file") };
    let file = file.clone();
    (engine, cache, key, file)
}

fn why_not(cache: &CompileCache, engine: &wasmtime::Engine, key: &Key) -> String {
    match cache.find(engine, key) {
        Found::Unusable(_, why) => why,
        Found::Component(_) => panic!("it was used"),
        Found::Nothing => panic!("it was not found"),
    }
}

#[test]
fn what_was_stored_is_found_again_by_its_own_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _, key, file) = filled(folder.path());
    let cache = CompileCache::open(folder.path()).unwrap();
    assert!(matches!(cache.find(&engine, &key), Found::Component(_)));
    assert!(matches!(cache.find(&engine, &Key::of(&engine, &obedient_version("0.9.2"))), Found::Nothing));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn an_engine_with_other_settings_has_other_keys() {
    let other = wasmtime::Engine::new(wasmtime::Config::new().consume_fuel(true)).unwrap();
    let own = PluginEngine::compiling(CompileOptions::default(), true).unwrap();
    assert_ne!(Key::of(&own, b"component"), Key::of(&other, b"component"));
    assert_eq!(
        Key::of(&own, b"component"),
        Key::of(&PluginEngine::compiling(CompileOptions::default(), true).unwrap(), b"component")
    );
}

#[test]
fn one_changed_byte_is_noticed_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, cache, key, file) = filled(folder.path());
    let whole = fs::read(&file).unwrap();
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&file, changed).unwrap();
        assert!(why_not(&cache, &engine, &key).contains("damaged"), "byte {at}");
    }
    for part in [0, whole.len() / 2] {
        fs::write(&file, &whole[..part]).unwrap();
        assert!(why_not(&cache, &engine, &key).contains("damaged"), "{part} bytes");
    }
}

#[test]
fn a_file_or_folder_that_others_may_write_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, cache, key, file) = filled(folder.path());
    for mode in [0o620, 0o602] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        assert!(why_not(&cache, &engine, &key).contains("may be written by others"));
    }
    fs::set_permissions(folder.path().join("plugins"), Permissions::from_mode(0o777)).unwrap();
    assert!(CompileCache::open(folder.path()).unwrap_err().contains("may be written by others"));
}

#[test]
fn a_folder_inside_one_that_everybody_shares_is_private() {
    let shared = tempfile::tempdir().unwrap();
    fs::set_permissions(shared.path(), Permissions::from_mode(0o777)).unwrap();
    filled(shared.path());
}

#[test]
fn a_link_in_place_of_the_folder_is_not_followed() {
    let (own, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), own.path().join("plugins")).unwrap();
    CompileCache::open(own.path()).unwrap_err();
}

#[test]
fn trouble_with_the_cache_never_keeps_a_plugin_from_loading() {
    let folder = tempfile::tempdir().unwrap();
    let engine = PluginEngine::compiling(CompileOptions::default(), true).unwrap();
    let in_the_way = folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let config = HostConfig { cache: Some(in_the_way.join("cache")), ..HostConfig::default() };
    Components::new(&config).of(&engine, &obedient()).map_err(|it| it.what).unwrap();

    let config = HostConfig { cache: Some(folder.path().to_owned()), ..HostConfig::default() };
    let components = Components::new(&config);
    components.of(&engine, &obedient()).map_err(|it| it.what).unwrap();
    let stored = files(folder.path());
    fs::write(&stored[0], "damaged").unwrap();
    components.of(&engine, &obedient()).map_err(|it| it.what).unwrap();
    assert_eq!(files(folder.path()), stored, "the damaged file was not replaced");
    assert!(fs::metadata(&stored[0]).unwrap().len() > 1_000);
    // The folder vanishes while the relay runs.
    fs::remove_dir_all(folder.path()).unwrap();
    components.of(&engine, &obedient_version("0.9.2")).map_err(|it| it.what).unwrap();
}

#[test]
fn pruning_keeps_what_was_used_last_and_takes_what_a_killed_relay_left() {
    let folder = tempfile::tempdir().unwrap();
    let hours_ago = |hours: u64| SystemTime::now() - Duration::from_secs(3_600 * hours);
    let put = |name: &str, used: SystemTime| {
        let path = folder.path().join(name);
        fs::write(&path, "").unwrap();
        fs::File::open(&path).unwrap().set_modified(used).unwrap();
        path
    };
    for number in 0..70 {
        put(&format!("{number:02}.cwasm"), hours_ago(number));
    }
    let (abandoned, unfinished) = (put("1-0.new", hours_ago(2)), put("2-0.new", hours_ago(0)));
    let oldest = folder.path().join("69.cwasm");
    prune(folder.path(), &oldest);
    let exists = |number: u64| folder.path().join(format!("{number:02}.cwasm")).exists();
    assert!((0..64).all(exists) && !(64..69).any(exists) && oldest.exists());
    assert!(!abandoned.exists() && unfinished.exists());
}
