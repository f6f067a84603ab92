//! What scenarios take from the catalog beside the firmware: loaders that they serve beside the image, and other variables.

use crate::{Plan, Unequipped};
use firmware::{Catalog, Store};
use payload::initramfs;
use services::image::Modules;
use std::collections::HashMap;
use std::sync::Arc;

/// Obtains the loaders that the cells of `plan` serve, from the cache or their source. Cells whose loader there is not for their
/// architecture, and cells whose build brings no such variables, are told so. `say` gets one line for each step. Blocks.
pub fn supply(plan: &mut Plan, catalog: &Catalog, store: &Store, say: &mut dyn FnMut(&str)) {
    let mut known: HashMap<String, Result<Arc<[u8]>, Unequipped>> = HashMap::new();
    let mut unpacked: HashMap<_, Result<Arc<[Vec<u8>]>, Unequipped>> = HashMap::new();
    for cell in &mut plan.cells {
        let column = &plan.firmware[cell.firmware];
        let firmware = column.in_flash();
        let missing = match cell.network.client.variables.name() {
            Some(name) if !firmware.files.contains_key(name) => {
                Some(format!("{} brings no variables that the catalog calls `{name}`.", firmware.id))
            }
            _ if column.base.is_some()
                && !cell.network.client.nvram.entries.is_empty()
                && cell.lacks.is_none() =>
            {
                Some(format!("The boot entries are those of {}, which starts {}.", firmware.id, column.id))
            }
            // What the build lacks besides is probed, and needs no variables for that.
            None if cell.writes_variables() && cell.lacks.is_none() && firmware.vars.is_none() => {
                Some(format!("{} brings no UEFI variables that could be written.", firmware.id))
            }
            _ => None,
        };
        if let Some(why) = missing {
            cell.equipment = Err(Unequipped::Unsupported(why));
        }
        let architecture = column.architecture.as_str();
        let files = cell.network.http.files.iter_mut();
        let files = files.filter_map(|file| Some((file.loader.as_ref()?, &mut file.bytes)));
        let image = &mut cell.network.image;
        let kernel = image.kernel.iter_mut().flat_map(|kernel| {
            let [stub, linux] = &mut kernel.bytes;
            [(&kernel.stub, stub), (&kernel.linux, linux)]
        });
        for (name, place) in files.chain(kernel) {
            let name = name.replace("{architecture}", architecture);
            match known.entry(name).or_insert_with_key(|name| obtain(name, catalog, store, say)) {
                Ok(bytes) => *place = Some(Arc::clone(bytes)),
                Err(why) => cell.equipment = Err(why.clone()),
            }
        }
        if let Some(Modules { from, names, contents }) = &mut image.modules {
            let from = from.replace("{architecture}", architecture);
            let of_archive = unpacked.entry((from, names.clone())).or_insert_with_key(|(from, names)| {
                let archive = obtain(from, catalog, store, say)?;
                let modules = initramfs::modules(&archive, names);
                modules.map(Arc::from).map_err(|error| Unequipped::Failed(error.to_string()))
            });
            match of_archive {
                Ok(modules) => *contents = Arc::clone(modules),
                Err(why) => cell.equipment = Err(why.clone()),
            }
        }
    }
}

fn obtain(
    name: &str,
    catalog: &Catalog,
    store: &Store,
    say: &mut dyn FnMut(&str),
) -> Result<Arc<[u8]>, Unequipped> {
    let (id, file) = name.split_once('/').map_or((name, None), |(id, file)| (id, Some(file)));
    let unknown = || Unequipped::Unsupported(format!("the catalog has no loader `{name}`"));
    let build = catalog.build(id).ok_or_else(unknown)?;
    let failed = |why: &dyn std::fmt::Display| Unequipped::Failed(format!("failed to obtain {name}: {why}"));
    let loader = store.get(build, say).map_err(|error| failed(&error))?;
    let path = match file {
        Some(file) => &loader.files.get(file).ok_or_else(unknown)?.path,
        None => &loader.code.path,
    };
    Ok(std::fs::read(path).map_err(|error| failed(&error))?.into())
}
