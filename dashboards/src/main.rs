//! Writes the dashboards into `deploy/grafana`.

use std::path::Path;

fn main() -> Result<(), std::io::Error> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana");
    std::fs::create_dir_all(&folder)?;
    for (name, text) in dashboards::files()? {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
