//! Boot entries as a scenario has them, as a firmware's variables, and back.

use crate::StartError;
use firmware::MachineSpec;
use nvram::{LoadOption, Network, Node, Store, boot_variable, device_path, option_name, order};
use record::Event;
use services::NetworkSettings;
use services::address::GUEST_MAC;
use services::client::{BootEntry, FIRST_ENTRY, From, parse_mac};

/// The flash image `template` with the scenario's boot entries.
pub(crate) fn flash(
    template: Vec<u8>,
    spec: &MachineSpec,
    network: &NetworkSettings,
) -> Result<Vec<u8>, StartError> {
    let failed = |error: nvram::StoreError| StartError(format!("failed to write boot entries: {error}"));
    let mut store = Store::parse(template).map_err(failed)?;
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
    Ok(store.bytes().to_vec())
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
        optional_data: entry.options.as_deref().unwrap_or_default().as_bytes().to_vec(),
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
