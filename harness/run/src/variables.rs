//! Boot entries and keys as a scenario has them, as a firmware's variables, and back.

use crate::{Cell, StartError};
use firmware::MachineSpec;
use nvram::{LoadOption, Network, Node, Store, boot_variable, device_path, keys, option_name, order};
use pki::edk2;
use record::Event;
use services::NetworkSettings;
use services::address::GUEST_MAC;
use services::client::{BootEntry, FIRST_ENTRY, From, Mode, parse_mac};

/// The flash image `template` with the scenario's boot entries and keys. `image` is what the client is served.
pub(crate) fn flash(
    template: Vec<u8>,
    spec: &MachineSpec,
    cell: &Cell,
    image: &[u8],
) -> Result<Vec<u8>, StartError> {
    let mut store = Store::of_template(template).map_err(failed)?;
    if cell.network.client.secure_boot.is_set() {
        set_keys(&mut store, cell, image)?;
    }
    if !cell.network.client.nvram.entries.is_empty() {
        set_entries(&mut store, spec, &cell.network)?;
    }
    Ok(store.bytes().to_vec())
}

fn failed(error: nvram::StoreError) -> StartError {
    StartError(format!("failed to write variables: {error}"))
}

/// The keys of Secure Boot (UEFI 2.11 §32.3, §32.4).
fn set_keys(store: &mut Store, cell: &Cell, image: &[u8]) -> Result<(), StartError> {
    let unequipped = || StartError("invariant: a cell with keys has been equipped with them".into());
    let equipment = cell.equipment.as_ref().map_err(|_| unequipped())?;
    let databases = equipment
        .databases(cell, image)
        .map_err(|error| StartError(format!("failed to list the image: {error}")))?;
    let (databases, made_of) = databases.zip(equipment.keys.as_ref()).ok_or_else(unequipped)?;
    let is_enforced = cell.network.client.secure_boot.mode == Mode::User;
    let owner = is_enforced.then(|| edk2::certificate_list(&made_of.platform));
    for variable in keys(owner.as_deref(), &databases.db, &databases.dbx) {
        store.set(&variable).map_err(failed)?;
    }
    Ok(())
}

fn set_entries(store: &mut Store, spec: &MachineSpec, network: &NetworkSettings) -> Result<(), StartError> {
    let nvram = &network.client.nvram;
    let number = |place: usize| FIRST_ENTRY + u16::try_from(place).unwrap_or_default();
    for (place, entry) in nvram.entries.iter().enumerate() {
        let option = option(entry, spec, network)?;
        store.set(&boot_variable(option_name(number(place)), option.bytes())).map_err(failed)?;
    }
    let boot_order: Vec<u16> =
        nvram.boot_order().into_iter().map(|place| number(usize::from(place))).collect();
    store.set(&boot_variable("BootOrder", order(&boot_order))).map_err(failed)?;
    if let Some(next) = nvram.next {
        store.set(&boot_variable("BootNext", order(&[number(usize::from(next))]))).map_err(failed)?;
    }
    Ok(())
}

fn option(
    entry: &BootEntry,
    spec: &MachineSpec,
    network: &NetworkSettings,
) -> Result<LoadOption, StartError> {
    let mac = entry.mac.as_deref().and_then(parse_mac).unwrap_or(GUEST_MAC);
    let ipv4 = entry.address.map_or(Network::DHCP, |fixed| Network {
        address: fixed.address,
        mask: fixed.netmask,
        gateway: fixed.gateway,
    });
    let mut nodes = vec![Node::PciRoot, Node::Pci(spec.nic_device), Node::Mac(mac), Node::Ipv4(ipv4)];
    let before = match entry.from {
        From::Root => 0,
        From::Mac => 2,
        From::Ipv4 => 3,
        From::Uri => 4,
    };
    nodes.drain(..before);
    for uri in &entry.uris {
        let uri = network.expand(uri).map_err(|error| StartError(error.to_string()))?;
        nodes.push(Node::Uri(uri));
    }
    Ok(LoadOption {
        active: entry.active,
        description: entry.description.clone(),
        path: device_path(&nodes),
        optional_data: entry.optional_data(),
    })
}

/// The variables in a flash image, as events; whatever the firmware has made of it.
pub(crate) fn events(flash: Vec<u8>) -> Vec<Event> {
    let variables = match Store::parse(flash) {
        Ok(store) => store.variables(),
        Err(error) => {
            return vec![Event::Harness { note: format!("failed to read the variables: {error}") }];
        }
    };
    let event = |variable: nvram::Variable| Event::Variable {
        meaning: nvram::meaning(&variable),
        bytes: variable.data.len(),
        attributes: variable.attributes,
        vendor: nvram::guid_text(&variable.vendor),
        name: variable.name,
    };
    let of_boot = |variable: &nvram::Variable| variable.vendor == nvram::GLOBAL;
    variables.into_iter().filter(of_boot).map(event).collect()
}
