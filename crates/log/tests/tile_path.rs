//! Tile paths: one spelling for each tile, and nothing else, whatever the bytes.

use kurultai_log::limits::TREE_SIZE_MAX;
use kurultai_log::{Kind, PathError, TilePath};
use proptest::prelude::*;

fn path(kind: Kind, index: u64, width: u16) -> TilePath {
    TilePath { kind, index, width }
}

#[test]
fn paths_read_as_the_specification_writes_them() {
    for (text, expected) in [
        ("tile/0/000", path(Kind::Hashes(0), 0, 256)),
        ("tile/0/x001/234", path(Kind::Hashes(0), 1234, 256)),
        (
            "tile/1/x001/x234/067",
            path(Kind::Hashes(1), 1_234_067, 256),
        ),
        ("tile/0/273.p/112", path(Kind::Hashes(0), 273, 112)),
        ("tile/7/000.p/1", path(Kind::Hashes(7), 0, 1)),
        ("tile/entries/x123/000", path(Kind::Entries, 123_000, 256)),
        ("tile/entries/000.p/255", path(Kind::Entries, 0, 255)),
        ("objects/012.p/7", path(Kind::Objects, 12, 7)),
    ] {
        assert_eq!(TilePath::parse(text), Ok(expected), "{text}");
        assert_eq!(expected.to_string(), text);
    }
}

#[test]
fn every_other_spelling_is_refused() {
    for text in [
        "",
        "/",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile//000",
        "tile/0//000",
        "tile/00/000",
        "tile/8/000",
        "tile/63/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/x001/",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/X001/002",
        "tile/0/x01/002",
        "tile/0/x/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/000.P/1",
        "tile/0/000.p/-1",
        "tile/0/000.p/99999999999999999999",
        "tile/entries/",
        "tile/entries/0/000",
        "tile/data/000",
        "entries/000",
        "objects/",
        "objects/0/000",
        "objects/../000",
        "tile/0/../../etc/passwd",
        "tile/0/x../000",
        "tile/0/000\n",
        "tile/0/000\0",
        " tile/0/000",
        "tile/0/000 ",
        "tile/0/٠٠٠",
        "tile/0/x१२३/000",
        "tile/0/000?skip=1",
        "TILE/0/000",
        "tile/0/0é0",
        "tile/99999999999999999999/000",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
    ] {
        assert!(TilePath::parse(text).is_err(), "{text:?} was accepted");
    }
    assert_eq!(
        TilePath::parse(&"x001/".repeat(1 << 16)),
        Err(PathError::TooLong { bytes: 5 << 16 })
    );
}

#[test]
fn an_index_does_not_wrap_around() {
    // 2^64 and 2^64 + 1 bundles of a thousand, and an index whose last group goes over.
    for index in [
        "x018/x446/x744/x073/x709/x551/x616/000",
        "x018/x446/x744/x073/x709/x551/x617/000",
        "x018/x446/x744/x073/x709/x551/616",
    ] {
        let path = format!("tile/0/{index}");
        assert_eq!(TilePath::parse(&path), Err(PathError::BeyondTree), "{path}");
    }
}

#[test]
fn the_largest_tree_ends_where_paths_end() {
    for level in 0..8u8 {
        let kind = Kind::Hashes(level);
        let row = TREE_SIZE_MAX >> (8 * level);
        let last = TilePath::at(kind, (row - 1) / 256, TREE_SIZE_MAX).unwrap();
        assert_eq!(TilePath::parse(&last.to_string()), Ok(last));
        let beyond = path(kind, last.index + 1, 256);
        assert_eq!(
            TilePath::parse(&beyond.to_string()),
            Err(PathError::BeyondTree)
        );
        assert_eq!(TilePath::at(kind, last.index + 1, TREE_SIZE_MAX), None);
    }
    assert_eq!(TilePath::at(Kind::Hashes(8), 0, u64::MAX), None);
    assert_eq!(TilePath::at(Kind::Hashes(0), u64::MAX, u64::MAX), None);
}

#[test]
fn bundles_of_a_range() {
    let names = |from, to, size| -> Vec<String> {
        TilePath::range(Kind::Entries, from, to, size)
            .map(|path| path.to_string())
            .collect()
    };
    assert_eq!(names(0, 0, 0), Vec::<String>::new());
    assert_eq!(
        names(0, 600, 600),
        [
            "tile/entries/000",
            "tile/entries/001",
            "tile/entries/002.p/88"
        ]
    );
    assert_eq!(names(255, 256, 600), ["tile/entries/000"]);
    assert_eq!(names(256, 257, 257), ["tile/entries/001.p/1"]);
    assert_eq!(names(300, 300, 600), Vec::<String>::new());
    assert_eq!(names(700, 800, 600), Vec::<String>::new());
    assert_eq!(names(0, u64::MAX, 256), ["tile/entries/000"]);
    let bundle = TilePath::parse("tile/entries/x001/000").unwrap();
    assert_eq!(bundle.first_leaf(), 256_000);
    assert_eq!(TilePath::parse("tile/2/003").unwrap().first_leaf(), 3 << 24);
}

/// Texts made of the pieces of paths, so that many come close to being one.
fn nearly_a_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("tile/".to_owned()),
        Just("entries/".to_owned()),
        Just("objects/".to_owned()),
        Just(".p/".to_owned()),
        Just("x".to_owned()),
        Just("/".to_owned()),
        Just("..".to_owned()),
        (0u32..300).prop_map(|n| n.to_string()),
        (0u32..1000).prop_map(|n| format!("{n:03}")),
        (0u32..1000).prop_map(|n| format!("x{n:03}/")),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn hostile_paths_never_panic_and_have_one_spelling(
        text in prop_oneof![nearly_a_path(), any::<String>()],
    ) {
        if let Ok(path) = TilePath::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn every_tile_of_every_tree_has_a_path(
        size in 1..=TREE_SIZE_MAX, shift in 0u32..63, choice in 0u8..10, at in any::<u64>(),
    ) {
        let size = (size >> shift).max(1);
        let kind = match choice { 8 => Kind::Entries, 9 => Kind::Objects, level => Kind::Hashes(level) };
        let row = match kind { Kind::Hashes(level) => size >> (8 * level), _ => size };
        let index = at % row.div_ceil(256).max(1);
        match TilePath::at(kind, index, size) {
            None => prop_assert_eq!(row, 0),
            Some(path) => {
                prop_assert_eq!(u64::from(path.width), (row - index * 256).min(256));
                prop_assert_eq!(TilePath::parse(&path.to_string()), Ok(path));
            }
        }
    }

    #[test]
    fn hand_made_paths_print_without_panic(level in any::<u8>(), index in any::<u64>(), width in any::<u16>()) {
        let made = path(Kind::Hashes(level), index, width);
        let text = made.to_string();
        made.first_leaf();
        if let Ok(parsed) = TilePath::parse(&text) {
            prop_assert_eq!(parsed, made);
        }
    }
}
