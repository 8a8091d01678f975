//! Tile paths from arbitrary text: no panic, and one spelling for each tile.

use log::TilePath;

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text);
        assert!((1..=256).contains(&path.width));
        // A partial tile at the very end of the largest tree has no full form; all others do.
        if let Ok(full) = TilePath::parse(&path.full().to_string()) {
            assert_eq!(
                (full.kind, full.index, full.width),
                (path.kind, path.index, 256)
            );
        }
        path.first_leaf();
    }
}

/// One path of each kind, full and partial, near and far.
pub fn seeds() -> Vec<Vec<u8>> {
    let paths = [
        "tile/0/000",
        "tile/1/x001/x234/067.p/5",
        "tile/7/000.p/127",
        "tile/entries/x123/000",
        "tile/entries/000.p/255",
        "objects/012.p/7",
    ];
    paths.map(|path| path.as_bytes().to_vec()).to_vec()
}
