//! Whether the reader can be had: permission, and others who have it.

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::Finding;
use super::system::System;
use crate::arbiter::store;
use crate::cli::users::{self, Library, User};
use crate::reader::name::base_name;
use crate::usb::{Backend, Interface, usbfs};

/// Whether this user may open the reader.
pub(super) fn permission(system: &System, interface: &Interface) -> Option<Finding> {
    if store::may_use(&interface.node) {
        return None;
    }
    let node = interface.node.display();
    let metadata = fs::metadata(&interface.node).ok()?;
    let group = name_of_group(system, metadata.gid());
    let mode = metadata.permissions().mode();
    let rights = format!("mode {:04o}, owner {}, group {group}", mode & 0o7777, metadata.uid());
    let mut finding =
        Finding::problem("no-permission", format!("you may not open {node} ({rights})")).about(base_name(interface));
    if mode & 0o060 == 0o060 && group != "root" {
        finding = finding.remedy(format!(
            "become a member of its group: sudo usermod -aG {group} $USER, then log in anew"
        ));
    } else {
        let rule = r#"SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ENV{ID_USB_INTERFACES}=="*:0b0000:*", TAG+="uaccess", GROUP="plugdev", MODE="0660""#;
        finding = finding
            .remedy(format!("put this into /etc/udev/rules.d/70-winscard.rules: {rule}"))
            .remedy("then: sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb")
            .remedy("and, where nobody sits at the machine (ssh): sudo usermod -aG plugdev $USER, then log in anew");
    }
    if env::var_os("SSH_CONNECTION").is_some() {
        finding = finding.remedy(
            "you came by ssh: rules that give readers to whoever sits at the machine (uaccess) do not count for you",
        );
    }
    Some(finding)
}

/// The name of a group.
fn name_of_group(system: &System, number: u32) -> String {
    let groups = fs::read_to_string(system.path("/etc/group")).unwrap_or_default();
    let line = groups
        .lines()
        .find(|line| line.split(':').nth(2).and_then(|text| text.parse().ok()) == Some(number));
    line.and_then(|line| line.split(':').next())
        .map_or_else(|| number.to_string(), str::to_owned)
}

/// Who has the reader and does not share it.
pub(super) fn holders(interface: &Interface) -> Vec<Finding> {
    let name = base_name(interface);
    if interface.backend == Backend::Usbfs {
        match usbfs::driver_of(interface).as_deref() {
            None => return Vec::new(),
            Some("usbfs") => {}
            Some(driver) => {
                return vec![
                    Finding::problem("kernel-driver", format!("the kernel's driver {driver} has it"))
                        .about(name)
                        .remedy(format!(
                            "echo {} | sudo tee /sys/bus/usb/drivers/{driver}/unbind",
                            interface.usb_path
                        ))
                        .remedy(format!(
                            "for good: echo blacklist {driver} | sudo tee /etc/modprobe.d/winscard.conf"
                        )),
                ];
            }
        }
    }
    judge(&name, &users::of(&interface.node))
}

/// What the processes that have the reader open mean for it.
fn judge(name: &str, users: &[User]) -> Vec<Finding> {
    let usual = |user: &User| matches!(user.name.as_str(), "pcscd" | "scdaemon" | "openct");
    let holds = |user: &&User| match user.library {
        Library::Other => true,
        Library::Unknown => usual(user),
        Library::Ours => false,
    };
    users.iter().filter(holds).map(|user| held(name, user)).collect()
}

fn held(name: &str, user: &User) -> Finding {
    let finding = Finding::problem("held", format!("{} has it and does not share it", user.describe())).about(name);
    match user.name.as_str() {
        "pcscd" => finding
            .remedy("stop it: sudo systemctl stop pcscd.socket pcscd")
            .remedy(
                "for good: sudo systemctl disable --now pcscd.socket pcscd; programs then have to use this library",
            ),
        "scdaemon" => finding.remedy("end it: gpgconf --kill scdaemon").remedy(
            "for good: echo disable-ccid >> ~/.gnupg/scdaemon.conf, so that it uses the PC/SC library instead of USB",
        ),
        _ => finding
            .remedy(format!(
                "end it, or have it use this library: winscard run -- {}",
                user.name
            ))
            .remedy(format!("kill {}", user.pid)),
    }
}

/// pcscd that has no reader yet, and takes the next.
pub(super) fn daemon(system: &System) -> Option<Finding> {
    if !system.path("/run/pcscd/pcscd.comm").exists() {
        return None;
    }
    Some(
        Finding::note("pcscd", "pcscd runs, or is started by the first program that asks it (/run/pcscd/pcscd.comm): it takes every reader then")
            .remedy("if all programs are to use this library: sudo systemctl disable --now pcscd.socket pcscd"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::super::system::tests::machine;
    use super::*;

    fn user(name: &str, library: Library) -> User {
        User {
            pid: 7,
            name: name.into(),
            library,
        }
    }

    #[test]
    fn who_holds_a_reader_is_named_with_the_way_to_get_it_back() {
        let found = judge("Reader", &[user("pcscd", Library::Unknown)]);
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert!(
            finding.text.contains("pcscd (process 7)")
                && finding.remedy.iter().any(|step| step.contains("systemctl stop"))
        );
        let found = judge("Reader", &[user("scdaemon", Library::Other)]);
        assert!(
            found
                .iter()
                .any(|finding| finding.remedy.iter().any(|step| step.contains("disable-ccid")))
        );
        let found = judge("Reader", &[user("mine", Library::Other)]);
        assert!(
            found
                .iter()
                .any(|finding| finding.remedy.iter().any(|step| step.contains("kill 7")))
        );
        assert!(
            judge(
                "Reader",
                &[user("mine", Library::Ours), user("other", Library::Unknown)]
            )
            .is_empty()
        );
    }

    #[test]
    fn groups_and_the_daemon_are_found() {
        let (_folder, system) = machine(&[
            ("/etc/group", b"root:x:0:\nplugdev:x:46:me\n"),
            ("/run/pcscd/pcscd.comm", b""),
        ]);
        assert_eq!(
            (name_of_group(&system, 46), name_of_group(&system, 5)),
            ("plugdev".into(), "5".into())
        );
        assert_eq!(daemon(&system).unwrap().id, "pcscd");
        assert_eq!(daemon(&machine(&[]).1), None);
    }
}
