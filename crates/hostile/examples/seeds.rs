//! Writes the seeds of every target into `DIR/<target>/`, for the fuzzer to begin from: `seeds DIR`.

use std::{fs, io, path::PathBuf};

use airtight_hostile::TARGETS;

fn main() -> io::Result<()> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "usage: seeds DIR");
    let root = PathBuf::from(std::env::args_os().nth(1).ok_or_else(usage)?);
    for target in TARGETS {
        let folder = root.join(target.name);
        fs::create_dir_all(&folder)?;
        for (i, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{i}")), seed)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
