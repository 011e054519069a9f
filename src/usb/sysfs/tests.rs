#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::usb::descriptor::tests as bytes;
use std::sync::atomic::{AtomicU32, Ordering};

/// A fabricated /sys/bus/usb/devices and /dev/bus/usb.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("winscard-sysfs-{}-{number}", std::process::id()));
        fs::create_dir_all(root.join("sys")).unwrap();
        fs::create_dir_all(root.join("dev")).unwrap();
        Self { root }
    }

    fn sys(&self) -> PathBuf {
        self.root.join("sys")
    }

    fn dev(&self) -> PathBuf {
        self.root.join("dev")
    }

    fn attribute(&self, entry: &str, name: &str, value: &[u8]) {
        fs::create_dir_all(self.sys().join(entry)).unwrap();
        fs::write(self.sys().join(entry).join(name), value).unwrap();
    }

    fn node(&self, bus: u16, address: u16, contents: &[u8], age: Duration) -> PathBuf {
        let directory = self.dev().join(format!("{bus:03}"));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{address:03}"));
        fs::write(&path, contents).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(SystemTime::now() - age)
            .unwrap();
        path
    }

    fn device(&self, name: &str, bus: u16, address: u16, descriptors: &[u8]) {
        self.attribute(name, "descriptors", descriptors);
        self.attribute(name, "busnum", format!("{bus}\n").as_bytes());
        self.attribute(name, "devnum", format!("{address}\n").as_bytes());
        self.attribute(name, "bConfigurationValue", b"1\n");
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).unwrap();
    }
}

const OLD: Duration = Duration::from_secs(60);

#[test]
fn finds_readers_in_order_with_strings() {
    let tree = Tree::new();
    tree.device("2-1", 2, 7, &bytes::reader());
    tree.device("1-1.3", 1, 12, &bytes::reader());
    let root_hub = [
        bytes::device(0x1D6B, 2, 1),
        bytes::configuration(1, 1, &bytes::interface(0, 0, 9, 0)),
    ]
    .concat();
    tree.device("usb1", 1, 1, &root_hub);
    tree.attribute("1-1.3", "manufacturer", b"Maker\n");
    tree.attribute("1-1.3", "product", b"Tok\x07en \xFF\n");
    tree.attribute("1-1.3", "serial", "N\u{b0}1\n".as_bytes());
    tree.attribute("1-1.3:1.0", "interface", "CCID \u{e9}\n".as_bytes());
    let node = tree.node(1, 12, b"", OLD);
    tree.node(2, 7, b"", OLD);
    tree.node(1, 1, b"", OLD);
    let scan = scan_at(&tree.sys(), &tree.dev());
    assert!(!scan.settling);
    let [first, second] = &scan.interfaces[..] else {
        panic!("{scan:?}")
    };
    assert_eq!((first.bus, first.address, second.bus, second.address), (1, 12, 2, 7));
    assert_eq!(
        (first.vendor_id, first.product_id, first.device_release),
        (0x08E6, 0x4433, 0x0205)
    );
    assert_eq!(first.manufacturer.as_deref(), Some("Maker"));
    assert_eq!(first.product.as_deref(), Some("Tok.en ."));
    assert_eq!(first.serial.as_deref(), Some("N\u{b0}1"));
    assert_eq!(first.interface_name.as_deref(), Some("CCID .."));
    assert_eq!(first.usb_path, "1-1.3:1.0");
    assert_eq!(first.class_descriptor.len(), 54);
    assert!(!first.composite);
    assert_eq!(first.node, node);
    assert_eq!(first.node_id.ino, fs::metadata(node).unwrap().ino());
    assert_eq!((&second.manufacturer, &second.interface_name), (&None, &None));
}

/// USB 2.0 §9.6.6, table 9-13: `bInterval` counts frames, at high speed it is the exponent of a number of microframes.
#[test]
fn the_interval_of_reports_depends_on_the_speed() {
    let tree = Tree::new();
    tree.device("1-1", 1, 2, &bytes::reader());
    tree.node(1, 2, b"", OLD);
    let mut reader = scan_at(&tree.sys(), &tree.dev()).interfaces.remove(0);
    let mut interval = |packet, interval| {
        reader.bulk_in.as_mut().unwrap().max_packet_len = packet;
        reader.interrupt_in.as_mut().unwrap().interval = interval;
        reader.report_interval().map(|time| time.as_micros())
    };
    assert_eq!(interval(64, 16), Some(16_000));
    assert_eq!(interval(64, 255), Some(255_000));
    assert_eq!(interval(512, 1), Some(125));
    assert_eq!(interval(512, 9), Some(32_000));
    assert_eq!(interval(512, 16), Some(4_096_000));
    assert_eq!(interval(512, 17), None, "no exponent");
    assert_eq!(interval(64, 0), None);
}

#[test]
fn device_without_node_or_configuration_is_left_out() {
    let tree = Tree::new();
    tree.device("1-1", 1, 2, &bytes::reader());
    tree.device("1-2", 1, 3, &bytes::reader());
    tree.attribute("1-2", "bConfigurationValue", b"\n");
    tree.device("1-3", 1, 4, b"\x12\x01garbage");
    tree.node(1, 3, b"", OLD);
    tree.node(1, 4, b"", OLD);
    assert_eq!(scan_at(&tree.sys(), &tree.dev()), Scan::default());
}

#[test]
fn new_device_settles() {
    let tree = Tree::new();
    let body = [
        bytes::interface(0, 0, 0x0B, 0),
        bytes::class(0x21, 54),
        bytes::endpoint(0x82, 2, 64),
    ]
    .concat();
    tree.device(
        "1-1",
        1,
        2,
        &[bytes::device(1, 2, 1), bytes::configuration(1, 1, &body)].concat(),
    );
    tree.attribute("1-1", "bConfigurationValue", b"\n");
    tree.node(1, 2, b"", Duration::ZERO);
    let nothing_yet = Scan {
        interfaces: Vec::new(),
        settling: true,
    };
    assert_eq!(scan_at(&tree.sys(), &tree.dev()), nothing_yet, "not configured");
    tree.attribute("1-1", "bConfigurationValue", b"1\n");
    fs::create_dir(tree.sys().join("1-1:1.0")).unwrap();
    assert_eq!(
        scan_at(&tree.sys(), &tree.dev()),
        nothing_yet,
        "its string is being fetched"
    );
    fs::create_dir(tree.sys().join("1-1:1.0/ep_82")).unwrap();
    let scan = scan_at(&tree.sys(), &tree.dev());
    assert_eq!((scan.interfaces.len(), scan.settling), (1, false), "it has none");
    fs::remove_dir(tree.sys().join("1-1:1.0/ep_82")).unwrap();
    tree.node(1, 2, b"", OLD);
    assert_eq!(enumerate_at(&tree.sys(), &tree.dev()).len(), 1, "waited long enough");
}

#[test]
fn composite_device_gives_its_readers_only() {
    let tree = Tree::new();
    let body = [
        bytes::interface(0, 0, 3, 1),
        bytes::class(0x21, 9),
        bytes::endpoint(0x81, 3, 8),
        bytes::interface(3, 0, 0x0B, 0),
        bytes::class(0x21, 54),
        bytes::interface(2, 0, 0x0B, 2),
        bytes::class(0x21, 54),
        bytes::interface(4, 0, 0x0B, 0),
    ]
    .concat();
    tree.device(
        "1-1",
        1,
        2,
        &[bytes::device(1, 2, 1), bytes::configuration(1, 4, &body)].concat(),
    );
    tree.node(1, 2, b"", OLD);
    let found = enumerate_at(&tree.sys(), &tree.dev());
    let numbers: Vec<_> = found
        .iter()
        .map(|i| (i.number, i.protocol, i.composite, i.usb_path.as_str()))
        .collect();
    assert_eq!(numbers, [(2, 2, true, "1-1:1.2"), (3, 0, true, "1-1:1.3")]);
}

#[test]
fn nodes_serve_where_sysfs_is_missing() {
    let tree = Tree::new();
    let mut contents = bytes::reader();
    nodes_order(&mut contents);
    tree.node(3, 9, &contents, OLD);
    tree.node(3, 10, b"junk", OLD);
    fs::write(tree.dev().join("devices"), "").unwrap();
    let found = enumerate_at(&tree.root.join("nothing"), &tree.dev());
    let [reader] = &found[..] else { panic!("{found:?}") };
    assert_eq!((reader.bus, reader.address, reader.vendor_id), (3, 9, 0x08E6));
    assert_eq!((reader.bulk_in.unwrap().address, reader.usb_path.as_str()), (0x82, ""));
    assert_eq!(reader.manufacturer, None, "a file answers no control requests");
}

/// What usbfs does to a device descriptor on a big-endian machine.
fn nodes_order(descriptors: &mut [u8]) {
    for at in [2, 8, 10, 12] {
        let field = u16::from_le_bytes([descriptors[at], descriptors[at + 1]]).to_ne_bytes();
        descriptors[at..at + 2].copy_from_slice(&field);
    }
}

#[test]
fn snapshot_key_sees_plug_and_unplug() {
    let tree = Tree::new();
    let settle = || std::thread::sleep(SnapshotKey::RESOLUTION * 2);
    let dev = tree.dev();
    let node = tree.node(1, 2, b"", OLD);
    assert!(!snapshot_key(&dev).is_current(), "something changed just now");
    settle();
    let key = snapshot_key(&dev);
    assert!(key.is_current());
    let second = tree.node(1, 3, b"", OLD);
    assert!(!key.is_current(), "plugged");
    settle();
    let key = snapshot_key(&dev);
    fs::remove_file(second).unwrap();
    assert!(!key.is_current(), "unplugged");
    settle();
    let key = snapshot_key(&dev);
    tree.node(2, 1, b"", OLD);
    assert!(!key.is_current(), "a new bus");
    settle();
    let key = snapshot_key(&dev);
    File::open(node).unwrap();
    assert!(key.is_current(), "opening is no change");
    let nothing = snapshot_key(&tree.root.join("nothing"));
    assert!(nothing.is_current());
    fs::create_dir(tree.root.join("nothing")).unwrap();
    assert!(!nothing.is_current(), "it was not there");
}
