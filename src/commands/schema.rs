//! `inspectd schema`: prints the MQTT contract, or writes its files; reads no configuration.

use std::path::Path;

use super::output::{make_folder, say};
use crate::cli::SchemaArgs;
use crate::evaluate::whole::write_whole;
use crate::publish::schema::{self, ALL, ASYNCAPI, ASYNCAPI_FILE};

/// Prints one file of the contract, their names, or writes all of them.
pub(super) fn schema(args: &SchemaArgs) -> anyhow::Result<()> {
    if let Some(folder) = &args.out {
        return write(folder);
    }
    if args.list {
        return ALL.iter().try_for_each(|schema| say!("{}", schema.name));
    }
    let text = match &args.name {
        Some(name) => {
            schema::named(name)
                .expect("the command line takes known names only")
                .text
        }
        None => ASYNCAPI,
    };
    say!("{}", text.trim_end())
}

fn write(folder: &Path) -> anyhow::Result<()> {
    make_folder(folder)?;
    let schemas = ALL.iter().map(|schema| (schema.file(), schema.text));
    for (name, text) in schemas.chain([(ASYNCAPI_FILE.to_owned(), ASYNCAPI)]) {
        let path = folder.join(name);
        write_whole(&path, text.as_bytes())?;
        say!("{}", path.display())?;
    }
    Ok(())
}
