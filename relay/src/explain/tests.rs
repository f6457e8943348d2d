//! Every code that a person can meet has a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{AREAS, page, pages, sections};

#[test]
fn every_code_of_the_sources_has_a_page() {
    let used = codes_used();
    assert!(used.len() > 20, "the scan of the sources found only {used:?}");
    let missing: Vec<_> = used.iter().filter(|(code, _)| page(code).is_none()).collect();
    assert!(missing.is_empty(), "codes without a page, and where they are used: {missing:#?}");
}

#[test]
fn every_page_is_complete_stands_in_its_area_and_exists_once() {
    let mut seen = BTreeSet::new();
    for (prefix, text) in AREAS {
        for page in sections(text) {
            assert!(
                is_code(page.code) && page.code.starts_with(prefix),
                "{} in the area {prefix}",
                page.code
            );
            assert!(!page.title.is_empty() && page.body.len() > 40, "{} says too little", page.code);
            assert!(seen.insert(page.code), "{} has two pages", page.code);
        }
    }
    assert_eq!(seen.len(), pages().len());
}

#[test]
fn a_code_is_found_in_either_case() {
    assert_eq!(page("c012").map(|it| it.code), Some("C012"));
    assert_eq!(page("C999"), None);
    assert_eq!(page(""), None);
}

/// Codes in code that is not a test's, and the first file that has each.
fn codes_used() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    list_sources(&root.join("src"), &mut files);
    list_sources(&root.join("engine/src"), &mut files);
    let mut used = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for line in code.lines().filter(|it| !it.trim_start().starts_with("//")) {
            for word in
                line.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').filter(|it| is_code(it))
            {
                used.entry(word.to_owned()).or_insert_with(|| file.clone());
            }
        }
    }
    used
}

fn list_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            list_sources(&path, files);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

fn is_code(word: &str) -> bool {
    word.len() == 4
        && AREAS.iter().any(|(area, _)| word.starts_with(area))
        && word[1..].chars().all(|it| it.is_ascii_digit())
}
