//! A device the server has: its functions (one in most, several in a composite device), and its node.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sim::bus::{Reader, plug_device};
use crate::sim::client;
use crate::sim::config::Config;
use crate::sim::options::Spec;
use crate::sim::port::Port;
use crate::usb::{Interface, NodeId};

/// One reader interface of a device.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) reader: Reader,
    /// What clients are shown.
    pub(super) interface: Interface,
}

impl Function {
    pub(super) fn port(&self) -> &Arc<Port> {
        self.reader.port()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Served {
    /// What each interface is like, and what is to happen to it.
    interfaces: Vec<(Spec, Config)>,
    /// None while it is unplugged.
    pub(super) functions: Vec<Function>,
    node: Option<PathBuf>,
}

impl Served {
    /// The devices that these words ask for: the options of one interface, or of several joined by `+`.
    ///
    /// # Errors
    /// The word that is not understood.
    pub(super) fn parse(words: &str) -> Result<Vec<Self>, String> {
        let specs = words.split('+').map(Spec::strict).collect::<Result<Vec<_>, _>>()?;
        let count = specs.first().map_or(1, |spec| spec.readers);
        let interfaces = specs
            .iter()
            .flat_map(|spec| spec.device().into_iter().map(move |config| (spec, config)));
        let interfaces: Vec<(Spec, Config)> = interfaces
            .zip(0..)
            .map(|((spec, config), interface_number)| {
                let config = Config {
                    interface_number,
                    ..config
                };
                (spec.clone(), config)
            })
            .collect();
        let one = || Self {
            interfaces: interfaces.clone(),
            functions: Vec::new(),
            node: None,
        };
        Ok((0..count).map(|_| one()).collect())
    }

    /// How many readers it is when plugged in.
    pub(super) fn len(&self) -> usize {
        self.interfaces.len()
    }

    /// Puts it on the bus, with its node if it is to have one.
    ///
    /// # Errors
    /// No descriptors left, or the node cannot be made.
    pub(super) fn plug(&mut self, socket: Option<&Path>) -> io::Result<()> {
        if !self.functions.is_empty() {
            return Ok(());
        }
        let configs = self.interfaces.iter().map(|(_, config)| config.clone());
        for reader in plug_device(configs.collect())? {
            let interface = reader.interface().clone();
            self.functions.push(Function { reader, interface });
        }
        let Some(address) = self.functions.first().map(|f| f.interface.address) else {
            return Ok(());
        };
        let mut id = None;
        if let Some(socket) = socket {
            let node = client::node(socket, 0, address);
            id = Some(make_node(&node)?);
            self.node = Some(node);
        }
        for function in &mut self.functions {
            function.interface.node_id = id.unwrap_or(function.interface.node_id);
        }
        for (function, (spec, _)) in self.functions.iter().zip(&self.interfaces) {
            spec.equip(&function.reader);
        }
        Ok(())
    }

    /// Takes it off the bus.
    pub(super) fn unplug(&mut self) {
        for function in self.functions.drain(..) {
            function.reader.unplug();
        }
        self.remove_node();
    }

    /// Takes all of it off the bus if a part of it has left by itself.
    pub(super) fn settle(&mut self) {
        if self.functions.iter().any(|function| !function.reader.is_plugged()) {
            self.unplug();
        }
    }

    fn remove_node(&mut self) {
        if let Some(node) = self.node.take() {
            let _gone = fs::remove_file(node);
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.unplug();
    }
}

/// Makes a node under its name when it is complete.
fn make_node(path: &Path) -> io::Result<NodeId> {
    let _stale = fs::remove_file(path);
    NodeId::of(&File::create_new(path)?)
}

/// Makes the directories of a server's nodes, without what another server has left in them.
///
/// # Errors
/// They cannot be made.
pub(super) fn prepare(socket: &Path) -> io::Result<()> {
    let buses = client::nodes(socket).join("000");
    fs::create_dir_all(&buses)?;
    clear(&buses, |_| true);
    clear(&client::records(socket), is_record);
    Ok(())
}

/// Removes what [`prepare`] made.
pub(super) fn clean(socket: &Path) {
    let nodes = client::nodes(socket);
    clear(&nodes.join("000"), |_| true);
    clear(&client::records(socket), is_record);
    for directory in [nodes.join("000"), nodes, client::records(socket)] {
        if let Err(error) = fs::remove_dir(&directory) {
            log::debug!("{}: {error}", directory.display());
        }
    }
    let _gone = fs::remove_file(socket);
}

fn is_record(name: &str) -> bool {
    name.starts_with("winscard-") || name.starts_with(".winscard-")
}

fn clear(directory: &Path, which: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(&which) {
            let _directories_stay = fs::remove_file(entry.path());
        }
    }
}
