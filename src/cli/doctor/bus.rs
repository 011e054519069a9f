//! The bus: whether there is one, what is on it, and what is known of it.

use std::fs;
use std::path::Path;

use super::Finding;
use super::system::System;
use crate::ccid::quirks;
use crate::reader::name::base_name;
use crate::usb::{Interface, sysfs};

/// The readers' interfaces on the bus, those included that may not be opened.
pub(super) fn readers(system: &System) -> Vec<Interface> {
    sysfs::enumerate_at(&system.path(sysfs::SYS_DEVICES), &system.path(sysfs::DEV_NODES))
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Whether there is a bus, and a reader on it.
pub(super) fn usb(system: &System, readers: &[Interface]) -> Vec<Finding> {
    let devices = entries(&system.path(sysfs::SYS_DEVICES));
    let nodes = entries(&system.path(sysfs::DEV_NODES));
    if devices.is_empty() && nodes.is_empty() {
        return vec![
            Finding::problem("no-usb-bus", "this machine shows no USB bus")
                .remedy("on hardware: load the controller's driver (modprobe xhci_pci), look at dmesg")
                .remedy("in a virtual machine: give it a USB controller and pass the reader through")
                .remedy(
                    "in a container: pass /dev/bus/usb in (docker run --device /dev/bus/usb/BBB/DDD), and mount /sys",
                )
                .remedy("without a reader: WINSCARD_SIM=builtin winscard list"),
        ];
    }
    if nodes.is_empty() {
        return vec![
            Finding::problem("no-usb-nodes", "the kernel has USB devices, and /dev/bus/usb is empty")
                .remedy("in a container: pass the reader's node in (docker run --device /dev/bus/usb/BBB/DDD)")
                .remedy("elsewhere: udev or devtmpfs makes the nodes; is /dev mounted?"),
        ];
    }
    let mut findings = vec![Finding::good("usb-bus", "there is a USB bus")];
    if readers.is_empty() {
        findings.push(no_reader(system, &devices));
    }
    findings
}

fn no_reader(system: &System, devices: &[String]) -> Finding {
    let attribute = |device: &str, name: &str| system.line(&format!("{}/{device}/{name}", sysfs::SYS_DEVICES));
    let mut finding = Finding::problem("no-reader", "no smart card reader (USB class 0x0B) is plugged in")
        .remedy("plug one in; lsusb -v shows bInterfaceClass 11 for a reader that follows the CCID class");
    for device in devices.iter().filter(|name| !name.contains(':')) {
        // The kernel keeps a device that is not authorised from being configured.
        if attribute(device, "authorized").as_deref() == Some("0") {
            let product = attribute(device, "product").unwrap_or_default();
            finding = finding.remedy(format!(
                "device {device} {product} is not authorised: usbguard allow-device, or write 1 to its \"authorized\""
            ));
        }
    }
    finding.remedy("without a reader: WINSCARD_SIM=builtin winscard list")
}

/// Milliamperes that a hub without power of its own has for each device. USB 2.0 §7.2.1.2
const BUS_POWERED_LIMIT: u32 = 100;

/// Whether the reader is behind a hub that has not enough power for it.
pub(super) fn hub(system: &System, interface: &Interface) -> Option<Finding> {
    let device = interface.usb_path.split(':').next()?;
    // 1-2.3 is at port 3 of the hub 1-2; 1-2 is at the root hub, which has the machine's power.
    let (parent, port) = device.rsplit_once('.')?;
    let attribute = |device: &str, name: &str| system.line(&format!("{}/{device}/{name}", sysfs::SYS_DEVICES));
    let attributes = u8::from_str_radix(&attribute(parent, "bmAttributes")?, 16).ok()?;
    let over_current = attribute(parent, &format!("{parent}:1.0/{parent}-port{port}/over_current_count"));
    if let Some(count) = over_current
        .and_then(|count| count.parse::<u32>().ok())
        .filter(|count| *count > 0)
    {
        return Some(
            Finding::warning(
                "over-current",
                format!("port {port} of hub {parent} was switched off {count} times for too much current"),
            )
            .about(base_name(interface))
            .remedy("plug the reader into the machine itself, or into a hub with a power supply"),
        );
    }
    // bmAttributes bit 6: self powered. USB 2.0 §9.6.3
    if attributes & 0x40 != 0 {
        return None;
    }
    let current: u32 = attribute(device, "bMaxPower")?.trim_end_matches("mA").parse().ok()?;
    let text = format!("is behind hub {parent}, which has no power supply of its own, and may take {current} mA");
    let finding = if current > BUS_POWERED_LIMIT {
        Finding::problem(
            "hub-power",
            format!("{text}, where {BUS_POWERED_LIMIT} mA are to be had"),
        )
    } else {
        Finding::note("hub-power", text)
    };
    Some(
        finding
            .about(base_name(interface))
            .remedy("if cards fail to power up: plug it into the machine, or into a hub with a power supply"),
    )
}

/// What is known of the reader's firmware.
pub(super) fn firmware(interface: &Interface) -> Vec<Finding> {
    let release = |release: u16| format!("{:x}.{:02x}", release >> 8, release & 0xFF);
    let mut findings = Vec::new();
    for known in quirks::known_of(interface) {
        let name = base_name(interface);
        let version = release(interface.device_release);
        findings.push(match (known.is_defect, known.fixed_in) {
            (true, Some(fixed)) => Finding::warning("firmware", format!("firmware {version}: {}", known.reason))
                .remedy(format!(
                    "the vendor has mended it in firmware {}; some readers can be updated with the vendor's tool",
                    release(fixed)
                ))
                .about(name),
            _ => Finding::note(
                "peculiarity",
                format!("firmware {version}: {}; this library knows and copes", known.reason),
            )
            .about(name),
        });
    }
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::super::Weight;
    use super::super::system::tests::machine;
    use super::*;
    use crate::usb::descriptor::tests as bytes;

    const DEVICE: &str = "/sys/bus/usb/devices/1-2.3";

    fn with_reader(more: &[(&str, &[u8])]) -> (crate::cli::launch::Folder, System) {
        let descriptors = bytes::reader();
        let device = |name: &str| format!("{DEVICE}/{name}");
        let names = [
            device("descriptors"),
            device("busnum"),
            device("devnum"),
            device("bConfigurationValue"),
        ];
        let mut files: Vec<(&str, &[u8])> = names
            .iter()
            .map(String::as_str)
            .zip([&descriptors[..], b"1\n", b"7\n", b"1\n"])
            .collect();
        files.push(("/dev/bus/usb/001/007", b""));
        files.extend(more);
        let (folder, system) = machine(&files);
        // One that was plugged in long ago: a new one may still be under way.
        let node = fs::File::open(folder.path.join("dev/bus/usb/001/007")).unwrap();
        node.set_modified(std::time::UNIX_EPOCH).unwrap();
        (folder, system)
    }

    #[test]
    fn a_machine_without_bus_nodes_or_reader_is_told_apart() {
        let (_folder, nothing) = machine(&[]);
        let found = usb(&nothing, &[]);
        assert!(
            found
                .iter()
                .any(|finding| finding.id == "no-usb-bus" && finding.remedy.len() > 2),
            "{found:?}"
        );
        let (_folder, no_nodes) = machine(&[("/sys/bus/usb/devices/usb1/busnum", b"1")]);
        assert!(usb(&no_nodes, &[]).iter().any(|finding| finding.id == "no-usb-nodes"));
        let (_folder, no_reader) = machine(&[
            ("/sys/bus/usb/devices/1-1/authorized", b"0\n"),
            ("/sys/bus/usb/devices/1-1/product", b"Token\n"),
            ("/dev/bus/usb/001/001", b""),
        ]);
        let found = usb(&no_reader, &[]);
        let [_, finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!((finding.id, finding.weight), ("no-reader", Weight::Problem));
        assert!(
            finding
                .remedy
                .iter()
                .any(|step| step.contains("Token is not authorised")),
            "{finding:?}"
        );
    }

    #[test]
    fn hubs_without_power_are_found() {
        let cases: [(&[u8], &[u8], Option<Weight>); 3] = [
            (b"e0\n", b"500mA\n", None),
            (b"a0\n", b"500mA\n", Some(Weight::Problem)),
            (b"a0\n", b"98mA\n", Some(Weight::Note)),
        ];
        for (attributes, power, weight) in cases {
            let (_folder, system) = with_reader(&[
                ("/sys/bus/usb/devices/1-2/bmAttributes", attributes),
                ("/sys/bus/usb/devices/1-2.3/bMaxPower", power),
            ]);
            let [reader] = &readers(&system)[..] else {
                panic!("no reader")
            };
            assert_eq!(hub(&system, reader).map(|finding| finding.weight), weight);
        }
    }

    #[test]
    fn firmware_with_known_defects_is_found() {
        let (_folder, system) = with_reader(&[]);
        let [reader] = &readers(&system)[..] else {
            panic!("no reader")
        };
        let old = Interface {
            vendor_id: 0x04E6,
            product_id: 0x5111,
            device_release: 0x0515,
            ..reader.clone()
        };
        let found = firmware(&old);
        let defect = found.iter().find(|finding| finding.id == "firmware").unwrap();
        assert!(
            defect.text.contains("5.15") && defect.remedy.iter().any(|step| step.contains("6.20")),
            "{defect:?}"
        );
        let new = Interface {
            device_release: 0x0620,
            ..old
        };
        assert!(firmware(&new).iter().all(|finding| finding.id != "firmware"));
    }
}
