//! The loaders that scenarios serve beside the image.

use crate::{Plan, Unequipped};
use firmware::{Catalog, Store};
use std::collections::HashMap;
use std::sync::Arc;

/// Obtains the loaders that the cells of `plan` serve, from the cache or their source. Cells whose loader there is not for their
/// architecture are told so. `say` gets one line for each step. Blocks.
pub fn supply(plan: &mut Plan, catalog: &Catalog, store: &Store, say: &mut dyn FnMut(&str)) {
    let mut known: HashMap<String, Result<Arc<[u8]>, Unequipped>> = HashMap::new();
    for cell in &mut plan.cells {
        let architecture = plan.firmware[cell.firmware].architecture.as_str();
        for file in &mut cell.network.http.files {
            let Some(loader) = &file.loader else { continue };
            let id = loader.replace("{architecture}", architecture);
            match known.entry(id).or_insert_with_key(|id| obtain(id, catalog, store, say)) {
                Ok(bytes) => file.bytes = Some(Arc::clone(bytes)),
                Err(why) => cell.equipment = Err(why.clone()),
            }
        }
    }
}

fn obtain(
    id: &str,
    catalog: &Catalog,
    store: &Store,
    say: &mut dyn FnMut(&str),
) -> Result<Arc<[u8]>, Unequipped> {
    let build = catalog
        .build(id)
        .ok_or_else(|| Unequipped::Unsupported(format!("the catalog has no loader `{id}`")))?;
    let failed = |why: &dyn std::fmt::Display| Unequipped::Failed(format!("failed to obtain {id}: {why}"));
    let loader = store.get(build, say).map_err(|error| failed(&error))?;
    Ok(std::fs::read(&loader.code).map_err(|error| failed(&error))?.into())
}
