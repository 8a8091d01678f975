//! The list of traps in docs/taxii.md names tests that there are.

use std::path::Path;

#[test]
fn the_list_of_traps_names_tests_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/taxii.md")).unwrap();
    let (_, list) = page.split_once("## Traps").expect("the list");
    let list = list.split("\n## ").next().unwrap_or_default();
    let rows = list.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut named = 0;
    for row in rows {
        let tests: Vec<&str> = row
            .split('`')
            .filter(|part| part.contains("::") && part.contains(".rs"))
            .collect();
        assert!(!tests.is_empty(), "no test for: {row}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap();
            let path = root.join("crates").join(file);
            let source =
                std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{test}: {error}"));
            let at = source
                .find(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("{test} is not there"));
            let before = source[..at].trim_end().trim_end_matches("async").trim_end();
            let attribute = before.lines().last().unwrap_or_default().trim();
            assert!(
                attribute.starts_with("#[") && attribute.contains("test"),
                "{test} is no test"
            );
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}
