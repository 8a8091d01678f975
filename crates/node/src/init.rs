//! A new node: its data folder, its configuration and its keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use policy::Member;

use crate::config::{CONFIG_FILE, Config};
use crate::error::NodeError;
use crate::keys::Keys;

/// Makes a new node in `data` with this configuration text (see [`Config::template`]) and fresh
/// keys. Answers with what an accord says about the member.
///
/// # Errors
/// When the configuration is wrong, the folder holds a node already, or nothing can be written.
pub fn init(data: &Path, config: &str) -> Result<Member, NodeError> {
    let parsed = Config::parse(data, config)?;
    let path = data.join(CONFIG_FILE);
    if path.exists() {
        return Err(NodeError::Config {
            place: path.display().to_string(),
            why: "exists already; choose another folder or remove that node first".into(),
        });
    }
    let io = |error| {
        NodeError::io(
            format!("the folder {} cannot be made", data.display()),
            error,
        )
    };
    fs::create_dir_all(data).map_err(io)?;
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).map_err(io)?;
    let keys = Keys::generate(&parsed)?;
    // Last, so that a folder with a configuration always has its keys.
    fs::write(&path, config)
        .map_err(|error| NodeError::io(format!("{} cannot be written", path.display()), error))?;
    Ok(keys.member_entry(&parsed))
}
